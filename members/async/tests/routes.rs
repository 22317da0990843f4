//! axum's router and server.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{ConnectInfo, Json, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use virtnet::pipenet::{Host, Network};
use virtnet::{Addr, ConnInfo};

use crate::support::{all_ports_free, host, on_each_runtime};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Receipt {
    number: usize,
    order: Order,
    shop: String,
    customer: String,
}

#[derive(Deserialize)]
struct Filter {
    at_least: u32,
}

type Orders = Arc<Mutex<BTreeMap<usize, Order>>>;

/// A shop, whose orders can be created, shown and listed.
fn shop(name: &'static str) -> Router {
    Router::new()
        .route("/", get(move || async move { format!("welcome to {name}") }))
        .route(
            "/orders",
            post(move |State(orders): State<Orders>, ConnectInfo(from): ConnectInfo<Addr>, Json(order): Json<Order>| async move {
                let mut orders = orders.lock().unwrap();
                let number = orders.len() + 1;
                orders.insert(number, order.clone());
                (StatusCode::CREATED, Json(Receipt { number, order, shop: name.into(), customer: from.to_string() }))
            })
            .get(|State(orders): State<Orders>, Query(filter): Query<Filter>| async move {
                let orders = orders.lock().unwrap();
                Json(orders.values().filter(|order| order.count >= filter.at_least).cloned().collect::<Vec<_>>())
            }),
        )
        .route(
            "/orders/{number}",
            get(|State(orders): State<Orders>, Path(number): Path<usize>| async move {
                orders.lock().unwrap().get(&number).cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
            }),
        )
        .with_state(Orders::default())
}

/// Serves a shop at port 80 of a host until it is stopped.
fn open(host: &Host, name: &'static str) -> (oneshot::Sender<()>, JoinHandle<std::io::Result<()>>) {
    let listener = host.listen(":80").unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = shop(name).into_make_service_with_connect_info::<Addr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async { drop(stopped.await) });
    assert_eq!(serving.local_addr().unwrap().to_string(), format!("{}:80", host.name()));
    (stop, tokio::spawn(serving.into_future()))
}

/// A response, with the addresses of both ends.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    body: String,
    from: Addr,
    to: Addr,
}

struct Browser(Client<virtnet::Connector<virtnet::pipenet::NetHandle>, Full<Bytes>>);

impl Browser {
    fn new(host: &Host) -> Self {
        Self(Client::builder(TokioExecutor::new()).build(host.connector()))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.0.request(request).await.unwrap();
        let status = response.status();
        let ConnInfo { local_addr, peer_addr, .. } = *response.extensions().get().unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, body: String::from_utf8(body.into()).unwrap(), from: peer_addr, to: local_addr }
    }

    async fn get(&self, uri: &str) -> (StatusCode, String) {
        let Answer { status, body, .. } = self.send(Request::get(uri).body(Full::default()).unwrap()).await;
        (status, body)
    }

    /// Places an order, and checks that the receipt is for this order, shop and customer.
    async fn order(&self, shop: &str, number: usize, item: &str, count: u32) {
        let order = Order { item: item.into(), count };
        let request = Request::post(format!("http://{}/orders", shop.to_lowercase()));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let answer = self.send(request.body(Full::from(serde_json::to_vec(&order).unwrap())).unwrap()).await;
        let Answer { status, body, from, to } = answer;
        assert_eq!((status, from.host(), to.host()), (StatusCode::CREATED, &*shop.to_lowercase(), "user"));
        let receipt = Receipt { number, order, shop: shop.into(), customer: to.to_string() };
        assert_eq!(serde_json::from_str::<Receipt>(&body).unwrap(), receipt);
    }
}

#[test]
fn shops_on_several_hosts_are_reached_by_name() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (alpha, beta, user) = (host(&net, "alpha"), host(&net, "beta"), host(&net, "user"));
        let (stop_alpha, alpha_served) = open(&alpha, "Alpha");
        let (stop_beta, beta_served) = open(&beta, "Beta");
        let browser = Browser::new(&user);

        // Each client's first connection has its first free port.
        for (uri, welcome, from, to) in [
            ("http://alpha:80/", "welcome to Alpha", "alpha:1", "user:1"),
            ("http://beta/", "welcome to Beta", "beta:1", "user:2"),
        ] {
            let Answer { status, body, from: answered_from, to: answered_to } =
                browser.send(Request::get(uri).body(Full::default()).unwrap()).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, welcome));
            assert_eq!((answered_from.to_string(), answered_to.to_string()), (from.into(), to.into()));
        }
        browser.order("Alpha", 1, "tea", 1).await;
        browser.order("Alpha", 2, "cake", 3).await;
        browser.order("Beta", 1, "pen", 9).await;
        assert_eq!(
            browser.get("http://alpha:80/orders?at_least=2").await,
            (StatusCode::OK, r#"[{"item":"cake","count":3}]"#.into())
        );
        assert_eq!(browser.get("http://beta/orders/1").await, (StatusCode::OK, r#"{"item":"pen","count":9}"#.into()));
        assert_eq!(browser.get("http://beta/orders/2").await, (StatusCode::NOT_FOUND, String::new()));
        assert_eq!(browser.get("http://beta/orders").await.0, StatusCode::BAD_REQUEST);

        drop(browser);
        for (stop, served) in [(stop_alpha, alpha_served), (stop_beta, beta_served)] {
            stop.send(()).unwrap();
            served.await.unwrap().unwrap();
        }
        all_ports_free(&[&alpha, &beta, &user]).await;
    });
}

#[test]
fn a_handler_gets_the_socket_address_of_its_client() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (alpha, user) = (host(&net, "alpha"), host(&net, "user"));
        let whoami = get(|ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.to_string() });
        let app = Router::new().route("/", whoami).into_make_service_with_connect_info::<SocketAddr>();
        let listener = alpha.listen("0.0.0.0:80").unwrap().with_socket_addrs();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) });
        assert_eq!(serving.local_addr().unwrap(), SocketAddr::from(([10, 0, 0, 1], 80)));
        let served = tokio::spawn(serving.into_future());

        let browser = Browser::new(&user);
        let answer = browser.send(Request::get("http://10.0.0.1/").body(Full::default()).unwrap()).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "10.0.0.2:1"));
        assert_eq!([answer.from, answer.to], ["alpha:1", "user:1"]);

        drop(browser);
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
        all_ports_free(&[&alpha, &user]).await;
    });
}

#[test]
fn a_server_whose_host_is_closed_still_shuts_down() {
    on_each_runtime(|| async {
        let net = Network::new("t");
        let (alpha, user) = (host(&net, "alpha"), host(&net, "user"));
        let (stop, served) = open(&alpha, "Alpha");
        let browser = Browser::new(&user);
        assert_eq!(browser.get("http://alpha/").await.0, StatusCode::OK);
        alpha.close().await.unwrap();
        // This uses another browser: a request on a connection that closes at that moment may be lost in hyper's
        // client, which then waits for its answer forever (hyperium/hyper#4122).
        let error = Browser::new(&user).0.get("http://alpha/".parse().unwrap()).await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        drop(browser);
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
        all_ports_free(&[&alpha, &user]).await;
    });
}
