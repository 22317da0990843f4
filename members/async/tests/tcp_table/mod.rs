//! The outcomes of calls on TCP and here, row by row, and the rules by which they differ.

mod kernel;
mod state;
mod table;
mod tasks;
mod threads;

use std::net::Shutdown;

use virtnet::pipenet::Network;

use self::state::{State, Step};
use self::table::{Row, table};
use crate::support::{host, on_one_thread};

/// A way in which calls differ from those of TCP.
struct Rule {
    /// README's text of the rule.
    says: &'static str,
    /// Whether the rule explains that a call has the second outcome here, and the first on TCP.
    explains: fn(&State, Call<'_>, &str, &str) -> bool,
}

const RULES: [Rule; 8] = [
    Rule {
        says: "The first write after the peer's close already fails with `broken pipe`",
        explains: |state, call, tcp, here| {
            let at_once = call.writes() && tcp == "Ok(3)" && here == BROKEN;
            let flagged = call.is_ready() && here.replace(", write_closed", "") == tcp;
            state.has(Step::PeerCloses) && !state.is_reset() && (at_once || flagged)
        },
    },
    Rule {
        says: "A reset is reported also after the end of the stream",
        explains: |state, call, tcp, here| {
            let told = [END, BROKEN].contains(&tcp) && here == RESET;
            let flagged =
                call.is_ready() && (here.replace(", error", "") == tcp || (tcp, here) == ("waits", "Ok([error])"));
            state.is_reset() && state.has(Step::PeerShutsWrite) && (told || flagged)
        },
    },
    Rule {
        says: "A reset is reported by every read and write, not only by the first, and never by `take_error`",
        explains: |state, call, tcp, here| {
            let again = [END, BROKEN].contains(&tcp) && here == RESET;
            let kept = call.0 == "take_error" && here == "Ok(None)";
            // On TCP, a reset is reported once.
            let flagged = call.is_ready() && tcp.replace(", error", "") == here.replace(", error", "");
            state.is_reset() && (again || kept || flagged)
        },
    },
    Rule {
        says: "`abort` drops the bytes that the peer has not read",
        explains: |state, call, tcp, here| {
            state.has(Step::PeerAborts) && state.has(Step::PeerSends) && call.reads() && tcp == "Ok(3)" && here == RESET
        },
    },
    Rule {
        says: "`close_read` drops the bytes that have arrived and all that arrive later",
        explains: |state, call, tcp, here| {
            let shut = state.has(Step::Shuts(Shutdown::Read)) || state.has(Step::Shuts(Shutdown::Both));
            shut && call.reads() && tcp == "Ok(3)" && [END, RESET].contains(&here)
        },
    },
    Rule {
        says: "Bytes that arrive after `close_read` and `close_write` reset nothing",
        explains: |state, call, tcp, here| {
            let told = tcp == RESET && [END, BROKEN].contains(&here);
            let flagged =
                call.is_ready() && (tcp.replace(", error", "") == here || (tcp, here) == ("Ok([error])", "waits"));
            state.has(Step::Shuts(Shutdown::Both))
                && state.has(Step::PeerSends)
                && (told || flagged || call.0 == "take_error")
        },
    },
    Rule {
        says: "`close_write` and `close_read` succeed until this end is closed",
        explains: |_, call, tcp, here| call.0.starts_with("shutdown") && tcp == "Err(NotConnected)" && here == "Ok(())",
    },
    Rule {
        says: "Reading into or writing an empty buffer fails only if this end is down, and never waits",
        explains: |_, call, _, here| call.0.ends_with("of nothing") && here == END,
    },
];

const END: &str = "Ok(0)";
const RESET: &str = "Err(ConnectionReset)";
const BROKEN: &str = "Err(BrokenPipe)";

/// The name of a call.
#[derive(Clone, Copy)]
struct Call<'a>(&'a str);

impl Call<'_> {
    fn reads(self) -> bool {
        self.0.contains("read") && !self.is_ready() || self.0 == "peek"
    }

    fn writes(self) -> bool {
        self.0.contains("write") && !self.is_ready()
    }

    fn is_ready(self) -> bool {
        self.0.starts_with("ready(")
    }
}

/// The rule that explains the difference of a call from TCP's; `None` if there is no difference, an error if no rule
/// explains it.
fn why(tcp: &Row, here: &Row) -> Result<Option<usize>, ()> {
    let mut found = None;
    for (tcp_outcome, outcome) in tcp.outcome.iter().zip(&here.outcome) {
        if tcp_outcome != outcome {
            let explains = |rule: &Rule| (rule.explains)(&tcp.state, Call(tcp.call), tcp_outcome, outcome);
            found = Some(RULES.iter().position(explains).ok_or(())?);
        }
    }
    Ok(found)
}

#[test]
fn calls_match_tcp_except_where_readme_says_otherwise() {
    on_one_thread(|| {
        // A call that would wait must report that itself, so the runtime's budget is switched off.
        tokio::task::unconstrained(async {
            let net = Network::builder("t").share_port(true).build().unwrap();
            let (a, b) = (host(&net, "a"), host(&net, "b"));
            let listener = a.listen(":1").unwrap();
            let here = || threads::Virtual { from: &b, to: &listener };
            let std = [table(&threads::Tcp::new(), threads::CALLS).await, table(&here(), threads::CALLS).await];
            let tokio =
                [table(&tasks::Tcp::new(), tasks::CALLS).await, table(&tasks::Virtual(here()), tasks::CALLS).await];
            let (mut unexplained, mut used, mut rows) = (Vec::new(), [0; RULES.len()], 0);
            for (name, [tcp, here]) in [("std", std), ("tokio", tokio)] {
                rows += tcp.len();
                for (tcp, here) in tcp.iter().zip(&here) {
                    match why(tcp, here) {
                        Ok(rule) => rule.into_iter().for_each(|rule| used[rule] += 1),
                        Err(()) => {
                            unexplained.push(format!("{name}: TCP: {tcp}\n  here: {}", here.outcome.join(", then ")))
                        }
                    }
                }
            }
            println!("| {rows} calls compared with TCP's, {} differ: {used:?}", used.iter().sum::<usize>());
            assert!(
                unexplained.is_empty(),
                "{} calls differ from TCP's:\n{}",
                unexplained.len(),
                unexplained.join("\n")
            );
            for (rule, times) in RULES.iter().zip(used) {
                assert!(times > 0, "no call differs by this rule any more: {}", rule.says);
                assert!(README.contains(rule.says), "README does not say: {}", rule.says);
            }
            let said = README.lines().skip_while(|line| !line.starts_with(SECTION)).skip(1);
            let said = said.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with("- ")).count();
            assert_eq!(said, RULES.len(), "rules in README's section {SECTION:?}");
        })
    });
}

const README: &str = include_str!("../../../../README.md");
/// The section of README that lists the rules.
const SECTION: &str = "### What differs";
