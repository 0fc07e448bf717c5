// server [REQUESTS [CLIENTS [OTHERS]]]: a hyper server and its clients on one tokio
// runtime. Every client asks REQUESTS times; every answer waits a millisecond. With
// OTHERS it prints its port first and serves so many connections more.

#[path = "../../truth.rs"]
mod truth;

use hyper::{Body, Client, Request, Response, Uri};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use truth::{leaf, Count};

static CLIENT: Count = Count::new("server::client");
static ASK: Count = Count::new("server::ask");
static ACCEPT: Count = Count::new("server::accept");
static CONNECTION: Count = Count::new("server::connection");
static HANDLE: Count = Count::new("server::handle");
static LOOKUP: Count = Count::new("server::lookup");
static SLEEP: Count = Count::new("server::Sleeping");

static AT_ASK: [(&Count, u64); 2] = [(&ASK, 1), (&CLIENT, 1)];
static AT_ACCEPT: [(&Count, u64); 1] = [(&ACCEPT, 1)];
static AT_CONNECTION: [(&Count, u64); 1] = [(&CONNECTION, 1)];
static AT_LOOKUP: [(&Count, u64); 2] = [(&LOOKUP, 1), (&HANDLE, 1)];

/// A timer that counts itself.
struct Sleeping {
    inner: Pin<Box<Sleep>>,
}

impl Future for Sleeping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        SLEEP.begin();
        let result = self.inner.as_mut().poll(context);
        match result {
            Poll::Ready(()) => SLEEP.ready(),
            Poll::Pending => SLEEP.pending(&AT_LOOKUP),
        }
        result
    }
}

async fn lookup() -> usize {
    LOOKUP.begin();
    let timer = tokio::time::sleep(Duration::from_millis(1));
    Sleeping { inner: Box::pin(timer) }.await; // await: Sleeping
    LOOKUP.ready();
    42
}

async fn handle(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    HANDLE.begin();
    let answer = lookup().await.to_string(); // await: lookup
    HANDLE.ready();
    Ok(Response::new(Body::from(answer)))
}

async fn connection(stream: TcpStream) {
    CONNECTION.begin();
    let service = hyper::service::service_fn(handle);
    let serving = hyper::server::conn::Http::new().serve_connection(stream, service);
    leaf(serving, &AT_CONNECTION).await.expect("connection");
    CONNECTION.ready();
}

async fn accept(listener: TcpListener, connections: usize) {
    ACCEPT.begin();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (stream, _) = leaf(listener.accept(), &AT_ACCEPT).await.expect("accept");
        tasks.push(tokio::spawn(connection(stream)));
    }
    for task in tasks {
        leaf(task, &AT_ACCEPT).await.expect("connection task");
    }
    ACCEPT.ready();
}

async fn ask(client: &Client<hyper::client::HttpConnector>, uri: Uri) -> usize {
    ASK.begin();
    let response = leaf(client.get(uri), &AT_ASK).await.expect("response");
    let body = leaf(hyper::body::to_bytes(response), &AT_ASK).await.expect("body");
    ASK.ready();
    body.len()
}

async fn client(address: SocketAddr, requests: usize) -> usize {
    CLIENT.begin();
    let client = Client::new();
    let mut bytes = 0;
    for _ in 0..requests {
        let uri = format!("http://{}/", address).parse().expect("uri");
        bytes += ask(&client, uri).await; // await: ask
    }
    CLIENT.ready();
    bytes
}

fn argument(n: usize, default: usize) -> usize {
    match std::env::args().nth(n) {
        Some(text) => text.parse().expect("a number"),
        None => default,
    }
}

fn main() {
    let (requests, clients, others) = (argument(1, 25), argument(2, 4), argument(3, 0));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    let bytes = runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let address = listener.local_addr().expect("address");
        if others > 0 {
            println!("port {}", address.port());
        }
        let server = tokio::spawn(accept(listener, clients + others));
        let mut tasks = Vec::new();
        for _ in 0..clients {
            tasks.push(tokio::spawn(client(address, requests)));
        }
        let mut bytes = 0;
        for task in tasks {
            bytes += task.await.expect("client task");
        }
        server.await.expect("server task");
        bytes
    });
    drop(runtime);
    println!("bytes {}", bytes);
    for count in [&CLIENT, &ASK, &ACCEPT, &CONNECTION, &HANDLE, &LOOKUP, &SLEEP] {
        count.print();
    }
}
