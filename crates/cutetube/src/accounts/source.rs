//! Where a request comes from, as far as signing in has to do with it.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::{
    AppState,
    http::{ClientAddress, ClientNetwork},
};

/// A device, and the network it is in now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// What people will recognise the device by.
    pub(crate) device: String,
    /// Absent where it cannot be known.
    pub(crate) network: Option<ClientNetwork>,
}

impl FromRequestParts<AppState> for Source {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let address = ClientAddress::from_request_parts(parts, state).await.ok();
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let device = agent.unwrap_or("unknown").to_owned();
        Ok(Self { device, network: address.map(ClientAddress::network) })
    }
}
