//! Waiting until a host or the network is idle, while other threads drop the last sockets.

use virtnet::NetRefExt as _;

use crate::act::*;
use crate::explore::*;

#[test]
fn a_wait_until_idle_against_the_last_drop() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let threads = [spawn(move || drop(a)), spawn(move || drop(b))];
        let host = host(&net, "b");
        let waited = told(host.idle().wait().map(|()| "idle"));
        assert_eq!(host.sockets(), 0, "no thread opens another");
        threads.into_iter().for_each(join);
        waited
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["idle"]));
}

#[test]
fn a_wait_for_all_hosts_against_the_last_drops() {
    fn model<N: Net>(net: N) -> String {
        let (a, b) = pair(&net);
        let threads = [spawn(move || drop(a)), spawn(move || drop(b))];
        let waited = told(net.idle().wait().map(|()| "idle"));
        threads.into_iter().for_each(join);
        waited
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["idle"]));
}

#[test]
fn two_waits_until_idle_against_a_listener_that_is_dropped() {
    fn model<N: Net>(net: N) -> String {
        let listener = host(&net, "a").listen("").expect("a free port");
        let other = spawn({
            let host = host(&net, "a");
            move || told(host.idle().wait().map(|()| "idle"))
        });
        let dropping = spawn(move || drop(listener));
        let waited = told(net.idle().wait().map(|()| "idle"));
        join(dropping);
        format!("{waited}, {}", join(other))
    }
    assert_eq!(explore_both(Preemptions(3), Buffered, model, model), set(["idle, idle"]));
}
