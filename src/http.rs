//! One HTTP request, one answer of bounded length; nothing is followed, nothing is tried again.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode, redirect};

use crate::error::{Attempt, Error, ErrorKind, Result, Undelivered, chain};

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(30);
/// Most of an answer that is read.
const ANSWER: usize = 1 << 20;
/// Most of an answer that is shown.
const SHOWN: usize = 200;

/// An answer, whatever it says.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its `Date`.
    pub date: Option<String>,
    /// All of it.
    pub body: Vec<u8>,
    /// How long the other side wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// How every client of ours behaves.
pub fn client() -> ClientBuilder {
    Client::builder()
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("greffier/", env!("CARGO_PKG_VERSION")))
}

/// The client.
pub fn built(client: ClientBuilder) -> Result<Client> {
    client.build().map_err(|e| Error::new(ErrorKind::Internal, format!("no HTTP client: {}", chain(&e))))
}

/// Sends it. `Unavailable` when there is no answer; `whom` names the other side without its secrets.
pub async fn send(request: RequestBuilder, whom: &str) -> Result<Answer> {
    let silent = |e: reqwest::Error| {
        Error::new(ErrorKind::Unavailable, format!("{whom}: no answer: {}", chain(&e.without_url())))
    };
    let mut response = request.send().await.map_err(silent)?;
    let status = response.status();
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
    let retry_after = retry_after(response.headers(), Timestamp::now());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(silent)? {
        if body.len() + chunk.len() > ANSWER {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{whom}: its answer is longer than {ANSWER} bytes"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, date, body, retry_after })
}

impl Answer {
    /// Was it taken? A refusal of the content itself will be repeated for ever. Everything else may be otherwise the next time,
    /// after somebody corrected a token or started a server.
    pub fn taken(self, whom: &str) -> Attempt<Self> {
        let status = self.status.as_u16();
        if let 200..=299 = status {
            return Ok(self);
        }
        let hint =
            if self.status.is_redirection() { " (redirections are not followed; give the final URL)" } else { "" };
        let message = format!("{whom}: answered {}{hint}: {}", self.status, self.excerpt());
        Err(match status {
            400 | 405 | 406 | 410 | 413 | 415 | 422 => {
                Undelivered::Never(Error::new(ErrorKind::InvalidArgument, message))
            }
            _ => Undelivered::Retry(Error::new(ErrorKind::Unavailable, message).not_before(self.retry_after)),
        })
    }

    /// Its beginning, on one line.
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(SHOWN * 4)]).into_owned();
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// The host of a URL: enough to know whom, without what may be secret in path and query.
pub fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_come_again_is_seconds_or_a_date() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        for (header, wanted) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 07:00:00 GMT", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, header.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), wanted.map(Duration::from_secs), "{header:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
