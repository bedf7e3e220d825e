//! The rooms of the example `candles`.
//!
//! | module | what is in it |
//! |---|---|
//! | `arguments` | what the command line says |
//! | `world` | a venue, a database and the cache between them, and a clock that all of them share |
//! | `demo` | cold, warm, extended, with a hole, live, after a restart |
//! | `replay`, `recording` | a recorded history read through, and once more after a restart |
//! | `step` | what a step took, as an object and as a row |
//! | `picture` | what is known and the closing prices, in the terminal and as SVG |

mod arguments;
mod demo;
#[cfg(doctest)]
mod guide;
mod picture;
mod recording;
mod replay;
mod step;
mod world;

pub use arguments::Arguments;

/// Whatever went wrong.
pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the example.
///
/// # Errors
/// Whatever went wrong, with its cause.
pub async fn run(arguments: Arguments) -> Result<(), AnyError> {
    match &arguments.replay {
        Some(file) => replay::run(&arguments, file).await,
        None => demo::run(&arguments).await,
    }
}
