//! toxiproxy: connections that are slow, are reset, or are refused.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Service, free_port, http};
use crate::tools::{self, Lock};

const PACKAGE: &str = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0";

/// A running toxiproxy.
#[derive(Debug)]
pub struct Toxiproxy {
    service: Service,
}

/// A way through the proxy to one service.
#[derive(Debug, Clone)]
pub struct Way {
    control: u16,
    name: String,
    port: u16,
}

/// What is wrong with a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// Answers come later, give or take half as long.
    Latency(Duration),
    /// Connections are reset after a while.
    Reset(Duration),
    /// Answers come no faster than so many kilobytes a second.
    Bandwidth(u32),
    /// Connections are closed once so many bytes of answers went through.
    Cut(u64),
    /// Requests arrive and answers do not; connections end when the way is healed.
    Silence,
}

impl Toxic {
    fn document(self) -> Value {
        let ms = |time: Duration| u64::try_from(time.as_millis()).expect("a short time");
        let (kind, attributes) = match self {
            Toxic::Latency(time) => ("latency", json!({ "latency": ms(time), "jitter": ms(time) / 2 })),
            Toxic::Reset(time) => ("reset_peer", json!({ "timeout": ms(time) })),
            Toxic::Bandwidth(rate) => ("bandwidth", json!({ "rate": rate })),
            Toxic::Cut(bytes) => ("limit_data", json!({ "bytes": bytes })),
            Toxic::Silence => ("timeout", json!({ "timeout": 0 })),
        };
        json!({ "type": kind, "stream": "downstream", "attributes": attributes })
    }
}

/// A proxy of its own; `None` where this machine cannot have it.
pub fn start() -> Option<Toxiproxy> {
    let program = tools::had("toxiproxy", || {
        let _lock = Lock::take();
        tools::go_program("toxiproxy", PACKAGE, "server")
    })?;
    let service = Service::start("toxiproxy", "/version", |port, _| {
        let mut command = Command::new(&program);
        command.args(["-host", "127.0.0.1", "-port", &port.to_string()]);
        command
    });
    Some(Toxiproxy { service })
}

impl Toxiproxy {
    /// A way to what listens on a port of this machine.
    pub fn way_to(&self, port: u16) -> Way {
        let way = Way { control: self.service.port(), name: format!("to-{port}"), port: free_port() };
        let (listen, upstream) = (format!("127.0.0.1:{}", way.port), format!("127.0.0.1:{port}"));
        way.ask(
            "POST",
            "/proxies",
            &json!({ "name": way.name, "listen": listen, "upstream": upstream, "enabled": true }),
        );
        way
    }
}

impl Way {
    /// Where the service is reached through it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Adds something that is wrong with it, for this share of connections.
    pub fn poison(&self, toxic: Toxic, share: f64) {
        let mut document = toxic.document();
        document["toxicity"] = share.into();
        self.ask("POST", &format!("/proxies/{}/toxics", self.name), &document);
    }

    /// Refuses connections and ends those that there are, or takes them again.
    pub fn set_open(&self, open: bool) {
        self.ask("POST", &format!("/proxies/{}", self.name), &json!({ "enabled": open }));
    }

    /// Makes everything well again.
    pub fn heal(&self) {
        let toxics: Value =
            serde_json::from_str(&self.ask("GET", &format!("/proxies/{}/toxics", self.name), &Value::Null))
                .expect("a list of toxics");
        for toxic in toxics.as_array().into_iter().flatten() {
            let name = toxic["name"].as_str().expect("a toxic has a name");
            self.ask("DELETE", &format!("/proxies/{}/toxics/{name}", self.name), &Value::Null);
        }
        self.set_open(true);
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> String {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http::ask(self.control, method, path, &body).expect("toxiproxy answers");
        assert!((200..300).contains(&answer.status), "{method} {path} {body}: {answer:?}");
        answer.body
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_way_is_slow_or_closed_or_well() {
        let Some(proxy) = start() else { return };
        // The proxy's own control port is a service as good as any.
        let way = proxy.way_to(proxy.service.port());
        let ask = || http::get(way.port(), "/version").map(|answer| answer.status);
        assert_eq!(ask().expect("an answer"), 200);
        way.poison(Toxic::Latency(Duration::from_millis(200)), 1.0);
        let begin = Instant::now();
        assert_eq!(ask().expect("an answer"), 200);
        assert!(begin.elapsed() >= Duration::from_millis(90));
        way.set_open(false);
        assert!(ask().is_err());
        way.heal();
        assert_eq!(ask().expect("an answer"), 200);
    }
}
