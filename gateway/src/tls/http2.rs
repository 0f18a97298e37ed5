//! The RPC server with its HTTP/2 limits set. Two protections are off when these setters are not called.

use std::time::Duration;

use tonic::transport::Server;

/// Bounds of one HTTP/2 connection.
#[derive(Debug, Clone, Copy)]
pub struct Http2Limits {
    /// Open streams per connection.
    pub streams: u32,
    /// Streams we had to reset before the connection is closed (MadeYouReset).
    pub local_resets: usize,
    /// Streams reset by the client before we accepted them (Rapid Reset).
    pub pending_resets: usize,
    /// Size of all headers of one request, in bytes.
    pub header_list: u32,
    /// A ping is sent this often.
    pub keepalive_interval: Duration,
    /// Without an answer to it the connection is closed after this time.
    pub keepalive_timeout: Duration,
    /// After this time the client is asked to connect anew, so that a revoked or renewed certificate is seen.
    pub connection_age: Duration,
    /// Until the handler has begun to answer. A stream of answers may last longer.
    pub request: Duration,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams: 100,
            local_resets: 100,
            pending_resets: 20,
            header_list: 16 * 1024,
            // Together ten seconds: so long a connection that is half dead, or that reads nothing, keeps its place.
            keepalive_interval: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(5),
            connection_age: Duration::from_secs(30 * 60),
            request: Duration::from_secs(30),
        }
    }
}

/// An RPC server with these limits; message sizes are set per service.
#[must_use]
pub fn http2_server(limits: &Http2Limits) -> Server {
    // No grace period: with one, the library drops the connection hard after age + grace and never says goodbye.
    Server::builder()
        .accept_http1(false)
        .max_concurrent_streams(limits.streams)
        .http2_max_local_error_reset_streams(Some(limits.local_resets))
        .http2_max_pending_accept_reset_streams(Some(limits.pending_resets))
        .http2_max_header_list_size(limits.header_list)
        .http2_keepalive_interval(Some(limits.keepalive_interval))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .max_connection_age(limits.connection_age)
        .timeout(limits.request)
}
