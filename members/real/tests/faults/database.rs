//! PostgreSQL, by tokio-postgres.

use tokio::task::{JoinHandle, yield_now};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls};

use super::{L, Lab, root};
use crate::run;
use crate::server::Server;

/// A client, and the task of its connection.
type Session = (Client, JoinHandle<Result<(), Error>>);

async fn connect(lab: &Lab, host: &str) -> Session {
    let conn = lab.dial(host).await;
    let (client, connection) =
        lab.pass(Config::new().user("postgres").dbname("postgres").connect_raw(conn, NoTls)).await.unwrap();
    (client, tokio::spawn(connection))
}

/// The sessions of `app` and `report`, and a table of sales.
async fn connect_both(lab: &Lab) -> [Session; 2] {
    let [app, report] = [connect(lab, "app").await, connect(lab, "report").await];
    report.0.batch_execute("CREATE TABLE sale (item TEXT, price INT)").await.unwrap();
    [app, report]
}

async fn sales(client: &Client) -> i64 {
    client.query_one("SELECT COUNT(*) FROM sale", &[]).await.unwrap().get(0)
}

/// What the server says of a process of its own, if it is there.
async fn state(client: &Client, pid: i32) -> Option<String> {
    let rows = client.query_opt("SELECT state FROM pg_stat_activity WHERE pid = $1", &[&pid]).await.unwrap();
    rows.map(|row| row.get(0))
}

/// The process of the server that serves a client.
async fn pid(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// Waits until a process of the server has ended.
async fn ended(client: &Client, pid: i32) {
    while state(client, pid).await.is_some() {
        yield_now().await;
    }
}

/// Closes sessions, and asserts that nothing is left of a lab.
async fn finish(lab: Lab, closed: u64, sessions: impl IntoIterator<Item = Session>) {
    for (client, connection) in sessions {
        drop(client);
        lab.pass(connection).await.unwrap().unwrap();
    }
    lab.finish(closed).await;
}

#[test]
fn a_partition_in_a_transaction_delays_it_and_loses_nothing() {
    let Some(server) = Server::postgres() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let [(app, connection), report] = connect_both(&lab).await;
        let backend = pid(&app).await;
        app.batch_execute("BEGIN; INSERT INTO sale VALUES ('tea', 3)").await.unwrap();

        lab.route().partition();
        let commit = tokio::spawn(async move { (app.batch_execute("COMMIT").await, app) });
        lab.sent("app").await;
        assert_eq!(state(&report.0, backend).await.as_deref(), Some("idle in transaction"));
        assert_eq!((sales(&report.0).await, commit.is_finished()), (0, false));

        lab.route().repair();
        let (committed, app) = commit.await.unwrap();
        committed.unwrap();
        assert_eq!((sales(&report.0).await, sales(&app).await), (1, 1));
        finish(lab, 2, [(app, connection), report]).await;
        // The server ends only once all its clients have left.
        drop(server);
    });
}

#[test]
fn a_commit_whose_answer_is_cut_off_is_done_though_the_program_gets_an_error() {
    let Some(server) = Server::postgres() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let [(app, connection), report] = connect_both(&lab).await;
        app.batch_execute("BEGIN; INSERT INTO sale VALUES ('tea', 3)").await.unwrap();

        lab.faults.oneway("server", "app").partition();
        let commit = tokio::spawn(async move { app.batch_execute("COMMIT").await });
        lab.sent("server").await;
        assert_eq!((sales(&report.0).await, commit.is_finished()), (1, false));

        lab.route().reset_peer();
        assert_eq!(commit.await.unwrap().unwrap_err().to_string(), "connection closed");
        let error = connection.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "error communicating with the server");
        assert_eq!(root(&error), "read pipelab server:2->app:1: connection reset");
        assert_eq!(sales(&report.0).await, 1);
        lab.route().repair();
        finish(lab, 2, [report]).await;
        drop(server);
    });
}

#[test]
fn a_reset_in_a_transaction_rolls_it_back() {
    let Some(server) = Server::postgres() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let [(app, connection), report] = connect_both(&lab).await;
        let backend = pid(&app).await;
        app.batch_execute("BEGIN; INSERT INTO sale VALUES ('tea', 3)").await.unwrap();

        lab.route().reset_peer();
        assert_eq!(root(&connection.await.unwrap().unwrap_err()), "read pipelab server:2->app:1: connection reset");
        assert_eq!(app.batch_execute("COMMIT").await.unwrap_err().to_string(), "connection closed");
        ended(&report.0, backend).await;
        assert_eq!(sales(&report.0).await, 0);

        // The program tries again, and nothing is in its way.
        let again = connect(&lab, "app").await;
        again.0.batch_execute("BEGIN; INSERT INTO sale VALUES ('tea', 3); COMMIT").await.unwrap();
        assert_eq!(sales(&report.0).await, 1);
        finish(lab, 3, [again, report]).await;
        drop(server);
    });
}

#[test]
fn a_half_open_connection_keeps_its_locks() {
    let Some(server) = Server::postgres() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let [(app, connection), (report, reporting)] = connect_both(&lab).await;
        let backend = pid(&app).await;
        app.batch_execute("INSERT INTO sale VALUES ('tea', 3)").await.unwrap();
        app.batch_execute("BEGIN; UPDATE sale SET price = 4").await.unwrap();

        // The program is gone, and the server does not know.
        lab.route().partition();
        drop(app);
        connection.await.unwrap().unwrap();
        assert_eq!(lab.host("app").sockets(), 0);
        let error = report.query("SELECT price FROM sale FOR UPDATE NOWAIT", &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::LOCK_NOT_AVAILABLE));
        assert_eq!(state(&report, backend).await.as_deref(), Some("idle in transaction"));

        lab.route().repair();
        ended(&report, backend).await;
        let row = report.query_one("SELECT price FROM sale FOR UPDATE NOWAIT", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 3);
        finish(lab, 2, [(report, reporting)]).await;
        drop(server);
    });
}

#[test]
fn a_query_that_does_not_arrive_fails_at_the_user_timeout() {
    let Some(server) = Server::postgres() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let [(app, connection), report] = connect_both(&lab).await;
        let backend = pid(&app).await;
        lab.route().user_timeout(Some(100 * L)).partition();
        let (took, failed) = lab.timed(app.batch_execute("INSERT INTO sale VALUES ('tea', 3)")).await;
        assert_eq!((took, failed.unwrap_err().to_string().as_str()), (100 * L, "connection closed"));
        assert_eq!(root(&connection.await.unwrap().unwrap_err()), "read pipelab server:2->app:1: timed out");
        assert_eq!((state(&report.0, backend).await.as_deref(), sales(&report.0).await), (Some("idle"), 0));

        // The query never arrives. The server is told once it sends something: here, that it ends the connection.
        lab.faults.all().clear();
        report.0.execute("SELECT pg_terminate_backend($1)", &[&backend]).await.unwrap();
        ended(&report.0, backend).await;
        assert_eq!(sales(&report.0).await, 0);
        finish(lab, 2, [report]).await;
        drop(server);
    });
}

#[test]
fn each_statement_takes_its_round_trips() {
    let Some(server) = Server::postgres() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let [(app, connection), report] = connect_both(&lab).await;
        lab.route().latency(L);
        let (took, done) = lab.timed(app.batch_execute("BEGIN; INSERT INTO sale VALUES ('tea', 3); COMMIT")).await;
        done.unwrap();
        assert_eq!(took, 2 * L);
        let (took, select) = lab.timed(app.prepare("SELECT price FROM sale WHERE item = $1")).await;
        let select = select.unwrap();
        assert_eq!(took, 2 * L);
        let (took, row) = lab.timed(app.query_one(&select, &[&"tea"])).await;
        assert_eq!((took, row.unwrap().get::<_, i32>(0)), (2 * L, 3));
        // A statement that is not prepared yet takes one more.
        let (took, row) = lab.timed(app.query_one("SELECT MAX(price) FROM sale", &[])).await;
        assert_eq!((took, row.unwrap().get::<_, i32>(0)), (4 * L, 3));
        // The host that no fault is for needs no time to pass.
        assert_eq!(sales(&report.0).await, 1);
        drop(select);
        finish(lab, 2, [(app, connection), report]).await;
        drop(server);
    });
}

#[test]
fn a_long_text_survives_slices_jitter_and_loss() {
    let Some(server) = Server::postgres() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let [app, report] = connect_both(&lab).await;
        lab.route().slicer(500, 400).short_reads(true).latency(L).jitter(L).loss(0.05);
        let long: String = (0..100_000).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
        lab.pass(app.0.execute("INSERT INTO sale VALUES ($1, 5)", &[&long])).await.unwrap();
        let row = lab.pass(app.0.query_one("SELECT item FROM sale", &[])).await.unwrap();
        assert!(row.get::<_, &str>(0) == long, "the long text came back as another");
        assert!(lab.now() > 8 * L);
        finish(lab, 2, [app, report]).await;
        drop(server);
    });
}
