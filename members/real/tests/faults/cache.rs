//! Redis, by the crate of that name.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, AsyncTypedCommands, ErrorKind, RedisConnectionInfo, RedisError};

use super::{L, Lab, bridge};
use crate::run;
use crate::server::Server;

/// A client that waits for its answers without a limit.
async fn connect(lab: &Lab, host: &str) -> MultiplexedConnection {
    let conn = lab.dial(host).await;
    let (info, config) = (RedisConnectionInfo::default(), AsyncConnectionConfig::new().set_response_timeout(None));
    let (client, connection) = lab.pass(MultiplexedConnection::new_with_config(&info, conn, config)).await.unwrap();
    tokio::spawn(connection);
    client
}

#[track_caller]
fn assert_dropped(outcome: Result<isize, RedisError>) {
    let error = outcome.unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.is_connection_dropped(), "{error:?}");
}

#[test]
fn a_client_that_gave_up_on_a_cut_command_stays_in_step() {
    let Some(server) = Server::redis() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let (mut app, mut report) = (connect(&lab, "app").await, connect(&lab, "report").await);
        app.set("motto", "carry on").await.unwrap();

        lab.route().partition();
        let mut user = app.clone();
        tokio::select! {
            outcome = user.incr("visits", 1) => panic!("it is cut off: {outcome:?}"),
            () = lab.sent("app") => {}
        }
        assert_eq!(report.get("visits").await.unwrap(), None);

        // The command arrives though its task has dropped it, and its answer is not taken for that of another.
        lab.route().repair();
        assert_eq!(app.get("motto").await.unwrap().as_deref(), Some("carry on"));
        assert_eq!(app.incr("visits", 1).await.unwrap(), 2);
        drop((app, user, report));
        lab.finish(2).await;
    });
}

#[test]
fn commands_take_a_round_trip_each_and_pipelines_one() {
    let Some(server) = Server::redis() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let mut app = connect(&lab, "app").await;
        lab.route().latency(L);
        let (took, counts) = lab
            .timed(async {
                let mut counts = Vec::new();
                for _ in 0..3 {
                    counts.push(app.incr("visits", 1).await.unwrap());
                }
                counts
            })
            .await;
        assert_eq!((took, counts), (6 * L, vec![1, 2, 3]));
        let mut pipeline = redis::pipe();
        for _ in 0..100 {
            pipeline.incr("visits", 1);
        }
        let (took, counts) = lab.timed(pipeline.query_async::<Vec<isize>>(&mut app)).await;
        assert_eq!((took, counts.unwrap()), (2 * L, (4..=103).collect()));
        drop(app);
        lab.finish(1).await;
    });
}

#[test]
fn a_command_whose_answer_was_reset_was_carried_out() {
    let Some(server) = Server::redis() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let mut app = connect(&lab, "app").await;
        lab.faults.oneway("server", "app").partition();
        let mut user = app.clone();
        let incr = tokio::spawn(async move { user.incr("visits", 1).await });
        lab.sent("server").await;
        lab.route().reset_peer();
        assert_dropped(incr.await.unwrap());
        assert_dropped(app.incr("visits", 1).await);
        lab.route().repair();
        // The first one counted, and the second one did not leave the program.
        assert_eq!(connect(&lab, "app").await.incr("visits", 1).await.unwrap(), 2);
        drop(app);
        lab.finish(2).await;
    });
}

#[test]
fn a_black_hole_takes_dials_and_leaves_connections_alone() {
    let Some(server) = Server::redis() else { return };
    run(async move {
        let lab = Lab::new(&server);
        let mut app = connect(&lab, "app").await;
        lab.route().blackhole(true).connect_timeout(Some(100 * L));
        let host = lab.host("app");
        let (took, dialled) = lab.timed(async { host.dial("server:1").await }).await;
        let error = dialled.map(drop).unwrap_err().to_string();
        assert_eq!((took, error.as_str()), (100 * L, "dial pipelab app:2->server:1: timed out"));
        assert_eq!(app.incr("visits", 1).await.unwrap(), 1);

        lab.route().connect_timeout(None);
        let dial = tokio::spawn(async move { host.dial("server:1").await });
        assert_eq!(app.incr("visits", 1).await.unwrap(), 2);
        assert_eq!((lab.bridge.counts().total, dial.is_finished()), (1, false));
        lab.route().blackhole(false);
        drop((dial.await.unwrap().unwrap(), app));
        lab.finish(2).await;
    });
}

#[test]
fn a_server_that_crashed_and_came_back_is_dialled_anew() {
    let Some(server) = Server::redis() else { return };
    run(async move {
        let mut lab = Lab::new(&server);
        let mut app = connect(&lab, "app").await;
        assert_eq!(app.incr("visits", 1).await.unwrap(), 1);
        lab.net.crash("server").unwrap();
        assert_dropped(app.incr("visits", 1).await);
        let refused = lab.host("app").dial("server:1").await.map(drop).unwrap_err().to_string();
        assert!(refused.ends_with("->server:1: connection refused"), "{refused}");

        lab.bridge = bridge(&lab.net.restart("server").unwrap(), &server);
        assert_eq!(connect(&lab, "app").await.incr("visits", 1).await.unwrap(), 2);
        drop(app);
        lab.finish(1).await;
    });
}
