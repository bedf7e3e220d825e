//! The routes.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tiers::error::{Error, Retry};

use crate::AnyError;
use crate::database::Order;
use crate::metrics::Metrics;
use crate::orders::{OrderNode, Orders};
use crate::stats;

const ITEM_BYTES_MAX: usize = 200;

pub(crate) fn routes(orders: Orders, metrics: Metrics) -> Router {
    Router::new()
        .route("/customers/{customer}/orders", get(list).delete(forget))
        .route("/customers/{customer}/orders/{order}", get(read).put(put))
        .route("/customers/{customer}/orders/{order}/shipment", post(ship))
        .route("/stats", get(figures))
        .route("/metrics", get(|orders| measures(orders, metrics)))
        .route("/healthz", get(health))
        .with_state(orders)
}

/// What a client sends for an order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    item: String,
    cents: u32,
}

/// What a client is told instead of an answer.
struct Failure(StatusCode, String);

async fn list(
    State(orders): State<Orders>,
    Path(customer): Path<u32>,
) -> Result<Json<Vec<Order>>, Failure> {
    Ok(Json(orders.list(customer).await?))
}

async fn read(
    State(orders): State<Orders>,
    Path((customer, order)): Path<(u32, u32)>,
) -> Result<Json<Order>, Failure> {
    Ok(Json(orders.get(&OrderNode { customer, order }).await?))
}

async fn put(
    State(orders): State<Orders>,
    Path((customer, order)): Path<(u32, u32)>,
    Json(NewOrder { item, cents }): Json<NewOrder>,
) -> Result<StatusCode, Failure> {
    if item.is_empty() || item.len() > ITEM_BYTES_MAX {
        let problem = format!("`item` must have 1 to {ITEM_BYTES_MAX} bytes");
        return Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, problem));
    }
    orders.put(Order { customer, order, item, cents, shipped: false }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn ship(
    State(orders): State<Orders>,
    Path((customer, order)): Path<(u32, u32)>,
) -> Result<Json<Order>, Failure> {
    match orders.ship(&OrderNode { customer, order }).await? {
        Some(order) => Ok(Json(order)),
        None => Err(Failure(StatusCode::NOT_FOUND, "there is no such order".to_owned())),
    }
}

async fn forget(
    State(orders): State<Orders>,
    Path(customer): Path<u32>,
) -> Result<Json<Value>, Failure> {
    let removed = orders.forget(customer).await?;
    Ok(Json(json!({ "removed": removed })))
}

async fn figures(State(orders): State<Orders>) -> Json<Value> {
    Json(stats::to_json(&orders).await)
}

async fn measures(State(orders): State<Orders>, metrics: Metrics) -> impl IntoResponse {
    let text = metrics.render(&orders.cache).await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn health(State(orders): State<Orders>) -> Result<Json<Value>, Failure> {
    orders.database.ping().await.map_err(AnyError::from)?;
    Ok(Json(json!({ "status": "ok" })))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Absent { .. } => StatusCode::NOT_FOUND,
            Error::Key { .. } => StatusCode::BAD_REQUEST,
            Error::LoadTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Error::Closed => StatusCode::SERVICE_UNAVAILABLE,
            error if error.retry() == Retry::Later => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let message = match status {
            StatusCode::NOT_FOUND => "there is no such order".to_owned(),
            _ => error.to_string(),
        };
        Self(status, message)
    }
}

impl From<AnyError> for Failure {
    fn from(error: AnyError) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => Self::from(*error),
            Err(error) => Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        if status.is_server_error() {
            // What went wrong inside is told to the operator, not to the client.
            eprintln!("{status}: {message}");
            let told = status.canonical_reason().unwrap_or("error");
            return (status, Json(json!({ "error": told }))).into_response();
        }
        (status, Json(json!({ "error": message }))).into_response()
    }
}
