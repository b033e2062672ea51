//! Transport: how requests travel and time passes. What is asked and how answers are read does not depend on it, so that
//! the same code runs natively, in the browser and over a network made of scripts.

use citer_core::RemoteError;
use std::{future::Future, time::Duration};

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Sends JSON.
    Post,
    /// Removes.
    Delete,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// Path from `/v1` on.
    pub path: String,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// What came back, whatever its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Seconds to wait before the next request, if the server says so.
    pub retry_after: Option<u64>,
    /// The body; empty when it could not be read beside an error status.
    pub body: Vec<u8>,
}

/// A way to one server.
pub trait Transport: Clone + 'static {
    /// Sends a request and reads the whole answer within the transport's time limit.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, RemoteError>>;

    /// Lets time pass.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// Longest wait for an answer.
    fn limit(&self) -> Duration;
}
