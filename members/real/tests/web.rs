//! A web server on a virtual host, loaded by real programs through a port of 127.0.0.1.

use std::process::{Command, Output};

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use virtnet::bridge::TokioBridge;
use virtnet::pipenet::Network;
use virtnet::{Networker, TokioTcp};

use crate::server::{Folder, installed};
use crate::{all_closed, run};

/// The script shows that it is a browser that loaded the page, and then asks for another one.
const PAGE: &str = "<!DOCTYPE html><title>virtual</title><p id=sum></p><p id=more></p>\
    <script>sum.textContent = 6 * 7</script><script src=/more.js></script>";

/// A web server on the virtual host `web`, and a bridge to it from a free port of 127.0.0.1.
fn serve() -> TokioBridge {
    let net = Network::new("lab");
    let listener = net.host("web").unwrap().listen(":80").unwrap();
    let script = get(async || ([("content-type", "text/javascript")], "more.textContent = 'loaded'"));
    let large = get(async || "x".repeat(1 << 20));
    let app = Router::new().route("/", get(async || Html(PAGE))).route("/more.js", script).route("/large", large);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let port = TokioTcp::new("127.0.0.1").unwrap().listen("").unwrap();
    TokioBridge::start(port, net.host("gateway").unwrap(), "web:80").unwrap()
}

/// Runs a program to its end, beside the tasks of the runtime.
async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the program starts")).await.unwrap()
}

/// What a program that succeeded printed.
fn printed(output: Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn curl_loads_a_page_of_a_virtual_host() {
    let Some(curl) = installed("curl") else { return };
    run(async move {
        let bridge = serve();
        let load = |path: &str| {
            let mut command = Command::new(&curl);
            command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]);
            command.arg(format!("http://{}{path}", bridge.local_addr()));
            output(command)
        };
        assert_eq!(printed(load("/").await), PAGE);
        assert_eq!(printed(load("/large").await).len(), 1 << 20);
        assert_eq!(all_closed(&bridge).await, (2, 0));
        bridge.stop().await;
        // curl's code for a refused connection.
        assert_eq!(load("/").await.status.code(), Some(7));
    });
}

#[test]
fn chromium_loads_a_page_of_a_virtual_host() {
    let Some(chromium) = installed("chromium") else { return };
    run(async move {
        let (bridge, profile) = (serve(), Folder::new());
        let mut command = Command::new(chromium);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ]);
        command.args(["--disable-component-update", "--disable-sync", "--no-proxy-server", "--dump-dom"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg(format!("http://{}/", bridge.local_addr()));
        let dom = printed(output(command).await);
        assert!(dom.contains("<p id=\"sum\">42</p><p id=\"more\">loaded</p>"), "{dom}");
        let (total, failed) = all_closed(&bridge).await;
        assert!(total > 0 && failed == 0, "{total} connections, {failed} failed");
    });
}
