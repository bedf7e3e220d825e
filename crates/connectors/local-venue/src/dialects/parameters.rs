use std::collections::HashMap;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::Refusal;

/// What a call says by its path and its query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(HashMap<String, String>);

impl Parameters {
    /// A parameter, if it is there.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter, or nothing.
    pub(crate) fn text_or_empty(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// A parameter that is no negative number, if it is there.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) if number >= 0 => Ok(Some(number)),
            _ => Err(Refusal::Malformed(name)),
        }
    }

    /// The same for a number of rows.
    pub(crate) fn count(&self, name: &'static str) -> Result<Option<u32>, Refusal> {
        let number = self.number(name)?;
        Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let query = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(mut texts) = query.map_err(IntoResponse::into_response)?;
        let path = RawPathParams::from_request_parts(parts, state).await;
        let path = path.map_err(IntoResponse::into_response)?;
        texts.extend(path.iter().map(|(name, text)| (name.to_owned(), text.to_owned())));
        Ok(Self(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_refused_by_its_name() {
        let texts = [("limit", "9"), ("start", "-1"), ("end", "1.5"), ("rows", "99999999999")];
        let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let parameters = Parameters(texts.into_iter().collect());
        assert_eq!(parameters.number("limit"), Ok(Some(9)));
        assert_eq!(parameters.number("absent"), Ok(None));
        assert_eq!(parameters.number("start"), Err(Refusal::Malformed("start")));
        assert_eq!(parameters.count("end"), Err(Refusal::Malformed("end")));
        assert_eq!(parameters.count("rows"), Ok(Some(u32::MAX)));
    }
}
