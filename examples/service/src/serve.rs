//! Listening, and ending in good order: no new requests, those that run to their end, and then the
//! cache.

use std::net::Ipv4Addr;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::AnyError;
use crate::api;
use crate::arguments::Arguments;
use crate::metrics::Metrics;
use crate::orders::Orders;

pub(crate) async fn run(arguments: Arguments) -> Result<(), AnyError> {
    let metrics = Metrics::install()?;
    let orders = Orders::open(&arguments).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    // Before the address is told: whoever reads it may ask this program to end at once.
    let mut ending = end_signal()?;
    report_start(&arguments, &listener.local_addr()?.to_string());

    let mut told = ending.clone();
    let server = axum::serve(listener, api::routes(orders.clone(), metrics))
        .with_graceful_shutdown(async move { until_told(&mut told).await });
    let overdue = async {
        until_told(&mut ending).await;
        tokio::time::sleep(arguments.grace).await;
    };
    let mut finished = true;
    tokio::select! {
        served = server.into_future() => served?,
        () = overdue => finished = false,
    }
    // After the last request, so that none finds the cache closed.
    let closed = orders.close(arguments.grace).await;
    report_end(&arguments, &orders, finished);
    Ok(closed?)
}

/// Becomes true at SIGTERM or Ctrl-C. The signals are caught from now on.
fn end_signal() -> Result<watch::Receiver<bool>, AnyError> {
    let (tell, told) = watch::channel(false);
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Without the signal there is only the end by force.
            std::future::pending::<()>().await;
        }
        tell.send_replace(true);
    });
    Ok(told)
}

async fn until_told(told: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the runtime.
    let _ = told.wait_for(|told| *told).await;
}

fn report_start(arguments: &Arguments, address: &str) {
    let environment = arguments.environment.name();
    if arguments.json {
        println!("{}", json!({ "address": address, "environment": environment }));
    } else {
        println!("http://{address} ({environment})");
    }
}

fn report_end(arguments: &Arguments, orders: &Orders, finished: bool) {
    let queries = orders.database.queries();
    if arguments.json {
        println!("{}", json!({ "closed": true, "finished": finished, "queries": queries }));
    } else if finished {
        println!("closed after {queries} queries");
    } else {
        println!("closed after {queries} queries; some requests did not end in time");
    }
}
