//! Captures, as tshark shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use pcap_file::pcapng::{Block, PcapNgReader};
use virtnet::trace::{Kind, Trace};
use virtnet_trace::{faults, merged, quick_start, shop};

use crate::tool::{Folder, checked, installed};
use crate::traffic::Traffic;

/// The traffic of all programs, which takes a while.
fn traffic() -> &'static Traffic {
    static TRAFFIC: OnceLock<Traffic> = OnceLock::new();
    TRAFFIC.get_or_init(Traffic::new)
}

pub(crate) fn capture(trace: &Trace, keys: &str) -> Vec<u8> {
    let mut file = Vec::new();
    trace.view().reads(true).pcapng().keys(keys).write(&mut file).expect("a vector takes all");
    file
}

/// A capture on disk, and tshark.
pub(crate) struct Capture {
    tshark: PathBuf,
    folder: Folder,
    options: Vec<String>,
}

impl Capture {
    pub(crate) fn new(name: &str, content: &[u8]) -> Option<Self> {
        let (tshark, folder) = (installed("tshark")?, Folder::new());
        folder.write("t.pcapng", content);
        checked("tshark", name);
        Some(Self { tshark, folder, options: Vec::new() })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("t.pcapng")
    }

    /// What tshark prints.
    fn show(&self, options: &[&str]) -> String {
        let mut command = Command::new(&self.tshark);
        // Preferences of the user would change what it shows.
        command.env("HOME", self.folder.path()).arg("-r").arg(self.path()).args(&self.options).args(options);
        let output = command.output().expect("tshark starts");
        assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn lines(&self, options: &[&str]) -> Vec<String> {
        self.show(options).lines().map(|line| line.trim().to_owned()).collect()
    }

    /// The number of the stream to a port, the n-th of these.
    fn stream(&self, port: u16, nth: usize) -> String {
        let filter = format!("tcp.flags.syn==1 && tcp.flags.ack==0 && tcp.dstport=={port}");
        let streams = self.lines(&["-Y", &filter, "-T", "fields", "-e", "tcp.stream"]);
        streams.get(nth).unwrap_or_else(|| panic!("{nth} of {streams:?} to {port}")).clone()
    }

    /// The hosts, each with its IP address.
    fn host_names(&self) -> Vec<String> {
        let hosts = self.lines(&["-q", "-z", "hosts"]);
        let hosts: BTreeSet<_> =
            hosts.iter().filter(|line| line.starts_with("10.")).map(|line| line.replace('\t', " ")).collect();
        hosts.into_iter().collect()
    }

    /// Nothing that an analyser complains about.
    pub(crate) fn is_clean(&self) {
        let sums = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
        let bad = "tcp.checksum.status==0 || ip.checksum.status==0";
        assert_eq!(self.show(&["-Y", "tcp.analysis.flags && !tcp.analysis.reused_ports"]), "");
        assert_eq!(self.show(&["-Y", "_ws.malformed"]), "");
        assert_eq!(self.show(&[&sums[..], &["-Y", bad]].concat()), "");
        let verified = "tcp.checksum.status==1 && ip.checksum.status==1";
        let count = |filter: &str| self.lines(&[&sums[..], &["-Y", filter]].concat()).len();
        assert_eq!(count(verified), count("tcp"));
    }
}

/// The bytes of each connection and direction, by the address of the dial and the port that it dialled, in order.
fn streams(trace: &Trace) -> BTreeMap<(String, String, u32), [Vec<u8>; 2]> {
    let (mut streams, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for event in trace.view().reads(true).events() {
        let Some(end) = event.end else { continue };
        match &event.kind {
            Kind::Accepted { listener, peer, .. } => {
                let key = (peer.to_string(), listener.to_string(), end.conn);
                streams.insert(key.clone(), [Vec::new(), Vec::new()]);
                ends.insert(end.conn, key);
            }
            Kind::Wrote { bytes, .. } => {
                let stream = ends.get(&end.conn).and_then(|key| streams.get_mut(key)).expect("it was accepted");
                stream[usize::from(end.accepted)].extend_from_slice(bytes);
            }
            _ => {}
        }
    }
    streams
}

#[test]
fn tshark_finds_nothing_wrong() {
    let Some(capture) = Capture::new("traffic", &capture(&traffic().trace, "")) else { return };
    capture.is_clean();
    let expert = capture.show(&["-q", "-z", "expert"]);
    // Each warning and note has its number in front.
    let rows = expert.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
    let rows: Vec<(usize, &str)> = rows.filter_map(|(count, text)| Some((count.parse().ok()?, text.trim()))).collect();
    let count = |text: &str| rows.iter().filter(|(_, row)| row.contains(text)).map(|(count, _)| count).sum::<usize>();
    let total = |severity: &str| {
        expert
            .lines()
            .find_map(|line| line.strip_prefix(severity)?.trim().strip_prefix('(')?.strip_suffix(')')?.parse().ok())
            .unwrap_or(0)
    };
    let trace = &traffic().trace;
    let resets = trace.count("abort *") + trace.count("dial *: *") + trace.count("*: reset");
    assert_eq!((count("Connection reset (RST)"), total("Warns")), (resets, resets), "{expert}");
    assert_eq!(resets, 4);
    assert_eq!(total("Errors"), 0, "{expert}");
    let notes =
        count("initiates the connection closing") + count("completes") + count("undergoes the connection closing");
    let reused = count("A new tcp session is started with the same ports");
    assert_eq!(total("Notes"), notes + reused, "{expert}");
    assert!(reused > 0, "no ports were used again: {expert}");
}

#[test]
fn a_capture_with_accepted_ports_is_clean() {
    let (mut file, view) = (Vec::new(), traffic().trace.view().reads(true));
    view.pcapng().accepted_ports().write(&mut file).expect("a vector takes all");
    let Some(capture) = Capture::new("accepted ports", &file) else { return };
    capture.is_clean();
    let ports = capture.lines(&["-Y", "tcp.flags.syn==1 && tcp.flags.ack==1", "-T", "fields", "-e", "tcp.srcport"]);
    let accepted = view.events().filter_map(|event| match event.kind {
        Kind::Accepted { local, .. } => Some(local.port().to_string()),
        _ => None,
    });
    assert_eq!(ports, accepted.collect::<Vec<_>>());
}

#[test]
fn hosts_have_their_names() {
    let Some(capture) = Capture::new("names", &capture(&traffic().trace, "")) else { return };
    assert_eq!(capture.host_names(), ["10.0.0.1 a", "10.0.0.2 b"]);
    let interfaces = capture.lines(&["-T", "fields", "-e", "frame.interface_name"]);
    assert!(interfaces.iter().filter(|name| !name.is_empty()).all(|name| name == "pipet"), "{interfaces:?}");
}

#[test]
fn two_networks_are_two_interfaces() {
    let Some(capture) = Capture::new("two networks", &capture(&virtnet_trace::two_networks(), "")) else { return };
    assert_eq!(capture.show(&["-Y", "tcp.analysis.flags || _ws.malformed"]), "");
    let fields =
        ["-Y", "tcp.flags.syn==1 && tcp.flags.ack==0", "-T", "fields", "-e", "frame.interface_name", "-e", "ip.dst"];
    assert_eq!(capture.lines(&fields), ["pipeeast\t10.0.0.1", "pipewest\t10.0.0.3"]);
}

#[test]
fn each_connection_is_a_row() {
    let Some(capture) = Capture::new("conversations", &capture(&traffic().trace, "")) else { return };
    let rows = capture.lines(&["-q", "-z", "conv,tcp", "-N", "n"]);
    let rows = rows.iter().filter(|row| row.contains("<->")).count();
    assert_eq!(rows, traffic().trace.count("dial *->*:*") - traffic().trace.count("dial *: *"));
    let of_http = capture.lines(&["-q", "-z", "conv,tcp,tcp.port==80", "-N", "n"]);
    let of_http: Vec<_> = of_http.iter().filter(|row| row.starts_with("b:1") && row.contains("a:80")).collect();
    assert_eq!(of_http.len(), 2, "both use the ports b:1 and a:80");
}

/// Compares what tshark follows with the bytes of the trace. Before the n-th accepted dial to a port, as many failed
/// as `failed` tells. Returns how many connections there are.
fn compare_streams(capture: &Capture, trace: &Trace, failed: impl Fn(u16, usize) -> usize) -> usize {
    let (mut checked, mut seen) = (0, BTreeMap::<u16, usize>::new());
    let mut streams: Vec<_> = streams(trace).into_iter().collect();
    streams.sort_by_key(|((.., conn), _)| *conn);
    for ((_, listener, _), sides) in streams {
        let port: u16 = listener.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let nth = seen.entry(port).or_default();
        let stream = capture.stream(port, *nth + failed(port, *nth));
        *nth += 1;
        let text = capture.show(&["-q", "-z", &format!("follow,tcp,raw,{stream}")]);
        let mut shown = [Vec::new(), Vec::new()];
        // The direction that speaks first is the left one.
        let node = text.lines().find_map(|line| line.strip_prefix("Node 0: ")).unwrap_or_default();
        let server_first = node.ends_with(&format!(":{port}"));
        for line in text.lines().filter(|line| line.trim().chars().all(|c| c.is_ascii_hexdigit())) {
            let side = usize::from(line.starts_with('\t') != server_first);
            let hex = line.trim().as_bytes();
            shown[side]
                .extend(hex.chunks(2).map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 16).unwrap()));
        }
        assert!(
            shown == sides,
            "stream {stream} to {listener} has {} and {} bytes, not {} and {}: {node}",
            shown[0].len(),
            shown[1].len(),
            sides[0].len(),
            sides[1].len()
        );
        checked += 1;
    }
    checked
}

#[test]
fn the_streams_are_the_bytes_of_the_trace() {
    let trace = &traffic().trace;
    let Some(capture) = Capture::new("streams", &capture(trace, "")) else { return };
    let checked = compare_streams(&capture, trace, |port, _| if port == 70 { 2 } else { 0 });
    assert_eq!(checked, trace.count("accept *"));
}

#[test]
fn merged_files_are_a_capture() {
    let traces = [
        ("merged", merged(&quick_start()), ["10.0.0.1 a", "10.0.0.2 b"].as_slice()),
        (
            "merged shop",
            merged(&shop(Trace::builder().bytes(u32::MAX))),
            &["10.0.0.1 app", "10.0.0.2 cache", "10.0.0.3 db"],
        ),
    ];
    for (name, trace, hosts) in traces {
        let Some(mut capture) = Capture::new(name, &capture(&trace, "")) else { return };
        // Some of the ports have protocols, which the bytes are none of.
        capture.options = trace.view().pcapng().command("t.pcapng").split(' ').skip(3).map(String::from).collect();
        capture.is_clean();
        assert_eq!(compare_streams(&capture, &trace, |_, _| 0), trace.count("accept *"));
        // Clocks that are an hour apart are set right.
        assert_eq!(capture.lines(&["-Y", "frame.time_delta < 0 || frame.time_relative > 60"]), [""; 0], "{name}");
        assert_eq!(capture.host_names(), hosts);
        let comments = capture.lines(&["-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"]);
        let rows = capture.lines(&["-Y", "systemd_journal", "-T", "fields", "-e", "systemd_journal.message"]);
        assert_eq!(comments.len() + rows.len(), trace.view().reads(true).events().count(), "{name}");
    }
}

#[test]
fn http_and_websockets_are_dissected() {
    let Some(capture) = Capture::new("http", &capture(&traffic().trace, "")) else { return };
    let stream = |port, nth| format!("tcp.stream=={}", capture.stream(port, nth));
    let info = |filter: &str| capture.lines(&["-N", "n", "-Y", filter, "-T", "fields", "-e", "_ws.col.Info"]);
    let http = info(&format!("http && {}", stream(80, 0)));
    assert_eq!(http, ["POST /x HTTP/1.1", "HTTP/1.1 200 OK"]);
    let bodies =
        capture.lines(&["-Y", &format!("http && {}", stream(80, 1)), "-T", "fields", "-e", "http.content_length"]);
    assert_eq!(bodies, [crate::traffic::BODY.to_string(), "10".to_owned()]);
    let upgrade = info(&format!("http && {}", stream(8080, 0)));
    assert_eq!(upgrade, ["GET /room HTTP/1.1", "HTTP/1.1 101 Switching Protocols"]);
    let frames = info("websocket");
    assert!(frames[0].starts_with("WebSocket Text [FIN] [MASKED]"), "{frames:?}");
    assert!(capture.show(&["-Y", "websocket.payload", "-V"]).contains("hello"));
}

#[test]
fn http2_is_dissected_with_the_command() {
    let trace = &traffic().trace;
    let Some(mut capture) = Capture::new("http2", &capture(trace, "")) else { return };
    assert_eq!(capture.lines(&["-Y", "http2"]), [""; 0], "it is guessed");
    let view = trace.view();
    let command = view.pcapng().decode("a:10", "http2").command("t.pcapng");
    let mut words = command.split(' ').map(String::from);
    assert_eq!(words.by_ref().take(3).collect::<Vec<_>>(), ["tshark", "-r", "t.pcapng"]);
    capture.options = words.collect();
    assert!(capture.options.contains(&"tcp.port==10,http2".to_owned()), "{command}");
    let info = capture.lines(&["-N", "n", "-Y", "http2", "-T", "fields", "-e", "_ws.col.Info"]).join("\n");
    for part in ["Magic", "SETTINGS[0]", "HEADERS[1]: GET /", "HEADERS[1]: 200 OK", "DATA[1]"] {
        assert!(info.contains(part), "{part} is not in {info}");
    }
    capture.is_clean();
}

#[test]
fn tls_is_decrypted_with_the_keys_and_only_then() {
    let Traffic { trace, keys } = traffic();
    let (Some(with), Some(without)) =
        (Capture::new("tls with keys", &capture(trace, keys)), Capture::new("tls", &capture(trace, "")))
    else {
        return;
    };
    let stream = with.stream(443, 0);
    let filter = format!("tcp.stream=={stream} && http");
    let show = |capture: &Capture| {
        capture.lines(&["-Y", &filter, "-T", "fields", "-e", "http.request.uri", "-e", "http.response.code"])
    };
    assert_eq!((show(&with), show(&without)), (vec!["/secret".into(), "200".into()], vec![]));
    let text = with.show(&["-q", "-z", &format!("follow,tls,ascii,{stream}")]);
    assert!(text.contains("POST /secret HTTP/1.1"), "{text}");
    assert!(without.show(&["-Y", &format!("tls && tcp.stream=={stream}")]).contains("TLSv1.3"));
}

#[test]
fn events_are_comments_and_rows() {
    let trace = &traffic().trace;
    let Some(capture) = Capture::new("comments", &capture(trace, "")) else { return };
    let comments = capture.lines(&["-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"]);
    let rows = capture.lines(&["-Y", "systemd_journal", "-T", "fields", "-e", "systemd_journal.message"]);
    let shown: BTreeSet<String> = comments.iter().chain(&rows).cloned().collect();
    let events: Vec<_> = trace.view().reads(true).events().map(|event| format!("{event:#}")).collect();
    assert_eq!(shown.len(), events.len());
    let plain = |text: &String| !text.contains('"') && !text.contains('\\');
    let missing: Vec<_> = events.iter().filter(|text| plain(text) && !shown.contains(*text)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    let rows: BTreeSet<_> =
        rows.iter().map(|row| row.split_once("pipet ").or(row.split_once(" ")).map_or("", |(_, text)| text)).collect();
    for row in ["host a", "listen a:80", "#1 fault partition a | b", "#1 note: the end"] {
        assert!(rows.contains(row), "{row} is not in {rows:?}");
    }
}

#[test]
fn a_port_offset_keeps_clear_of_known_protocols() {
    let trace = busy();
    let mut file = Vec::new();
    trace.view().reads(true).pcapng().port_offset(40_000).write(&mut file).unwrap();
    let Some(capture) = Capture::new("offset", &file) else { return };
    capture.is_clean();
    let protocols: BTreeSet<_> =
        capture.lines(&["-Y", "tcp.len>0", "-T", "fields", "-e", "_ws.col.Protocol"]).into_iter().collect();
    assert_eq!(protocols.into_iter().collect::<Vec<_>>(), ["TCP"]);
}

#[test]
fn the_command_keeps_clear_of_known_protocols() {
    let trace = busy();
    let Some(mut capture) = Capture::new("low ports", &capture(&trace, "")) else { return };
    let protocols = |capture: &Capture| -> BTreeSet<String> {
        capture.lines(&["-Y", "tcp.len>0", "-T", "fields", "-e", "_ws.col.Protocol"]).into_iter().collect()
    };
    assert!(protocols(&capture).contains("ECHO"), "no port is that of a protocol");
    let command = trace.view().pcapng().command("t.pcapng");
    capture.options = command.split(' ').skip(3).map(String::from).collect();
    capture.is_clean();
    assert_eq!(protocols(&capture).into_iter().collect::<Vec<_>>(), ["TCP"]);
}

/// A trace of so many connections at a time that their ports are those of many protocols.
fn busy() -> Trace {
    virtnet_trace::busy(60)
}

#[test]
fn cut_packets_say_how_long_they_were() {
    let trace = virtnet_trace::failures();
    let Some(capture) = Capture::new("failures", &capture(&trace, "")) else { return };
    assert_eq!(capture.show(&["-Y", "_ws.malformed"]), "");
    let (hostile, trace) = (virtnet_trace::hostile(), virtnet_trace::few());
    let short = |trace: &Trace| {
        let capture = Capture::new("short", &self::capture(trace, ""))?;
        let lens = capture.lines(&["-Y", "tcp.len>0", "-T", "fields", "-e", "frame.len", "-e", "frame.cap_len"]);
        Some(lens.iter().filter(|line| line.split_once('\t').is_some_and(|(len, kept)| len != kept)).count())
    };
    assert!(short(&hostile).is_some_and(|count| count > 40) && short(&trace).is_some_and(|count| count > 0));
}

#[test]
fn a_run_with_faults_is_a_capture() {
    let trace = faults();
    let Some(capture) = Capture::new("faults", &capture(&trace, "")) else { return };
    capture.is_clean();
    // One dial is withdrawn and one refused before the host that was restarted dials again.
    let checked = compare_streams(&capture, &trace, |_, nth| if nth == 2 { 2 } else { 0 });
    assert_eq!((checked, trace.count("accept *")), (3, 3));
    let fields = ["-T", "fields", "-e", "frame.time_relative", "-e", "ip.src", "-e", "tcp.srcport"];
    let resets = capture.lines(&[&["-Y", "tcp.flags.reset==1"], &fields[..]].concat());
    // The withdrawn dial, the crash as its peer sees it, the refusal by the dead host, and the reset.
    let expected = [("0.220", "2\t2"), ("0.580", "3\t1"), ("0.620", "3\t2380"), ("0.680", "1\t2380")];
    assert_eq!(resets, expected.map(|(at, from)| format!("{at}000000\t10.0.0.{from}")));
    let rows = capture.lines(&["-Y", "systemd_journal", "-T", "fields", "-e", "systemd_journal.message"]);
    for row in ["fault partition n1 | n2", "fault end partition n1 | n2", "crash n3", "restart n3", "fault end all *"] {
        assert!(rows.iter().any(|shown| shown.ends_with(row)), "{row} is not in {rows:?}");
    }
    // Bytes arrive no earlier than the network lets them: from a segment to its acknowledgement.
    let delays =
        capture.lines(&["-Y", "tcp.analysis.ack_rtt && tcp.seq>1", "-T", "fields", "-e", "tcp.analysis.ack_rtt"]);
    let delays: Vec<f64> = delays.iter().map(|delay| delay.parse().expect("a time")).collect();
    let longest = delays.iter().copied().fold(0.0, f64::max);
    assert!(delays.iter().all(|delay| *delay >= 0.0199) && (0.379..0.381).contains(&longest), "{delays:?}");
}

/// Types of blocks: how often each.
fn blocks(file: &[u8]) -> BTreeMap<String, usize> {
    let (mut reader, mut count) = (PcapNgReader::new(file).expect("a section"), BTreeMap::new());
    while let Some(block) = reader.next_block() {
        let name = match block.expect("a block") {
            Block::InterfaceDescription(_) => "interface".to_owned(),
            Block::NameResolution(_) => "names".to_owned(),
            Block::EnhancedPacket(_) => "packet".to_owned(),
            Block::Unknown(block) => format!("block {}", block.type_),
            Block::SystemdJournalExport(_) => "journal".to_owned(),
            _ => "other".to_owned(),
        };
        *count.entry(name).or_default() += 1;
    }
    count
}

#[test]
fn another_library_reads_the_blocks() {
    let Traffic { trace, keys } = traffic();
    let count = blocks(&capture(trace, keys));
    let one = |name: &str| count.get(name).copied();
    assert_eq!([one("interface"), one("names"), one("block 10"), one("other")], [Some(1), Some(1), Some(1), None]);
    assert!(
        one("packet").is_some_and(|count| count > 100) && one("journal").is_some_and(|count| count > 10),
        "{count:?}"
    );
    checked("pcap-file", "traffic");
}

#[test]
fn one_trace_is_one_capture() {
    let twice = [0, 1].map(|_| capture(&virtnet_trace::failures(), ""));
    assert!(twice[0] == twice[1], "two captures of equal runs differ");
}
