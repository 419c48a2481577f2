//! An HTTP server in the test's own process, whose answers the test decides.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that came.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone)]
pub enum Reply {
    Json(u16, Value),
    /// The same, with one header more.
    With(u16, Value, &'static str, String),
    Text(u16, &'static str),
    /// The connection ends before an answer.
    Lost,
    /// The connection ends within the answer.
    Cut(u16),
    /// No answer comes.
    Never,
}

#[async_trait]
pub trait Handler: Send + Sync {
    async fn answer(&self, seen: &Seen) -> Reply;
}

pub struct Server {
    pub uri: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub fn start(handler: Arc<dyn Handler>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let listener = TcpListener::from_std(listener).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, log) = (Arc::clone(&handler), Arc::clone(&log));
                tokio::spawn(async move {
                    let Some(request) = receive(&stream).await else { return };
                    log.lock().unwrap().push(request.clone());
                    let reply = handler.answer(&request).await;
                    respond(&stream, reply).await;
                });
            }
        });
        Self { uri, seen, task }
    }

    /// A server that asks for no configuration and gives these answers in turn to everything else.
    pub fn scripted(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start(Arc::new(Script(Mutex::new(replies.into_iter().collect()))))
    }

    /// The requests that came, without those for the configuration.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| !seen.target.starts_with("/v1/config")).cloned().collect()
    }

    pub fn all_seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Script(Mutex<VecDeque<Reply>>);

#[async_trait]
impl Handler for Script {
    async fn answer(&self, seen: &Seen) -> Reply {
        if seen.target.starts_with("/v1/config") {
            return Reply::Json(200, json!({"defaults": {}, "overrides": {}}));
        }
        self.0.lock().unwrap().pop_front().unwrap_or(Reply::Text(501, "nothing is scripted for this"))
    }
}

/// An answer as the specification writes errors.
pub fn failure(status: u16, kind: &str, message: &str) -> Reply {
    Reply::Json(status, json!({"error": {"message": message, "type": kind, "code": status}}))
}

async fn receive(stream: &TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, &mut bytes).await?;
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + length {
        more(stream, &mut bytes).await?;
    }
    Some(Seen { method, target, headers, body: bytes[head_end..].to_vec() })
}

async fn more(stream: &TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        stream.readable().await.ok()?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return None,
            Ok(read) => {
                bytes.extend_from_slice(&buffer[..read]);
                return Some(());
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

async fn respond(stream: &TcpStream, reply: Reply) {
    let (status, body, header) = match reply {
        Reply::Json(status, value) => (status, value.to_string(), String::new()),
        Reply::With(status, value, name, text) => (status, value.to_string(), format!("{name}: {text}\r\n")),
        Reply::Text(status, text) => (status, text.to_owned(), String::new()),
        Reply::Cut(status) => {
            return write(stream, format!("HTTP/1.1 {status} X\r\ncontent-length: 999\r\n\r\n{{")).await;
        }
        Reply::Lost => return,
        Reply::Never => std::future::pending().await,
    };
    let length = body.len();
    let body = if status == 304 { String::new() } else { body };
    let length = if status == 304 { String::new() } else { format!("content-length: {length}\r\n") };
    write(stream, format!("HTTP/1.1 {status} X\r\n{header}{length}connection: close\r\n\r\n{body}")).await;
}

async fn write(stream: &TcpStream, text: String) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() && stream.writable().await.is_ok() {
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
