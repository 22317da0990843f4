//! Exports: what their files hold. `members/trace` reads them with the programs that they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use virtnet::pipenet::Network;
use virtnet::trace::{Kind, Trace};

/// Two hosts, of which one writes in parts that the other reads in other parts; and an answer that nothing reads.
fn talk() -> Trace {
    let trace = Trace::builder().bytes(u32::MAX).build();
    let net = Network::builder("t").layer(trace.clone()).build().unwrap();
    let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    let mut dialling = pin!(b.dial("a:10"));
    assert!(dialling.as_mut().try_wait().is_none());
    let mut accepted = listener.try_accept().unwrap();
    let mut dialled = dialling.try_wait().unwrap().unwrap();
    for text in ["hello, ", "world", &"x".repeat(3000)] {
        dialled.write_all(text.as_bytes()).unwrap();
    }
    accepted.read_exact(&mut [0; 4]).unwrap();
    accepted.read_exact(&mut [0; 2000]).unwrap();
    accepted.write_all(b"answer").unwrap();
    dialled.close_write().unwrap();
    accepted.read_to_end(&mut Vec::new()).unwrap();
    trace
}

fn page(trace: &Trace) -> String {
    let mut page = String::new();
    trace.view().reads(true).write_html(&mut page).unwrap();
    page
}

/// The value of an attribute, as numbers.
fn numbers<'a>(element: &'a str, name: &str) -> impl Iterator<Item = usize> + 'a {
    let value = element.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    value.unwrap_or_default().split(' ').filter_map(|number| number.parse().ok())
}

#[test]
fn an_arrow_leads_from_each_write_to_the_reads_of_its_bytes() {
    let trace = talk();
    let (page, mut writes, mut expected) = (page(&trace), Vec::new(), BTreeSet::new());
    for (row, event) in trace.view().reads(true).events().enumerate() {
        match event.kind {
            Kind::Wrote { offset: Some(offset), count, .. } if !event.end.unwrap().accepted => {
                writes.push((offset, offset + u64::from(count), row));
            }
            Kind::Read { offset: Some(offset), count, .. } => {
                let read = writes.iter().filter(|(from, to, _)| *from < offset + u64::from(count) && offset < *to);
                expected.extend(read.map(|&(.., write)| vec![write, row]));
            }
            _ => {}
        }
    }
    let arrows = |class: &str| -> BTreeSet<Vec<usize>> {
        page.split("<path class=\"")
            .filter(|path| path.starts_with(class))
            .map(|path| numbers(path, "data-r").collect())
            .collect()
    };
    assert!(expected.len() >= 5, "{expected:?}");
    assert_eq!(arrows("arrow data\""), expected);
    assert_eq!(arrows("arrow data lost").len(), 1, "the answer");
}

#[test]
fn the_rows_of_a_page_have_their_causes() {
    let trace = talk();
    let (page, order) = (page(&trace), trace.order());
    let events: Vec<_> = trace.view().reads(true).events().collect();
    let mut past = Vec::<BTreeSet<usize>>::new();
    for (row, element) in page.split("<g class=\"row event").skip(1).enumerate() {
        let causes: Vec<_> = numbers(element, "data-c").collect();
        let mut all: BTreeSet<usize> = causes.iter().copied().collect();
        causes.iter().for_each(|&cause| all.extend(&past[cause]));
        let expected: Vec<_> = order.past(&events[row]).iter().map(|event| event.seq).collect();
        assert_eq!(all.iter().map(|&row| events[row].seq).collect::<Vec<_>>(), expected, "{}", events[row]);
        past.push(all);
    }
    assert_eq!(past.len(), events.len());
}

#[test]
fn events_that_a_view_leaves_out_still_order_the_others() {
    let trace = talk();
    let mut page = String::new();
    trace
        .view()
        .only(|event: &virtnet::trace::Event| event.to_string().starts_with("write"))
        .write_html(&mut page)
        .unwrap();
    let causes: Vec<Vec<usize>> =
        page.split("<g class=\"row event").skip(1).map(|element| numbers(element, "data-c").collect()).collect();
    assert_eq!(causes, [vec![], vec![0], vec![1], vec![2]]);
}

#[test]
fn the_band_of_a_fault_ends_where_the_fault_does() {
    let millis = Arc::new(AtomicU64::new(0));
    let now = millis.clone();
    // Each event takes 10 milliseconds.
    let clock = move || Duration::from_millis(now.fetch_add(10, Ordering::Relaxed));
    let trace = Trace::builder().clock(clock).build();
    for text in [
        "latency 20ms *",
        "partition a | b",
        "partition for 25ms a -> b",
        "reset a | b",
        "latency 30ms *",
        "-partition a | b",
        "hold a | b",
        "refuse c -> *",
        "-all a | b",
        "reset after 1s c -> *",
        "-all *",
        "partition a | b",
    ] {
        match text.strip_prefix('-') {
            Some(ended) => trace.fault_ended(ended),
            None => trace.fault(text),
        }
    }
    let page = page(&trace);
    let bands = page.split("<rect class=\"span band").skip(1);
    let bands: Vec<Vec<usize>> = bands.map(|band| numbers(band, "data-r").collect()).collect();
    let expected: [[usize; 2]; 9] = [[0, 4], [1, 5], [2, 5], [3, 4], [4, 10], [6, 8], [7, 10], [9, 10], [11, 12]];
    assert_eq!(bands, expected);
}

#[test]
fn hostile_text_stays_text_in_a_page() {
    let trace = Trace::new();
    trace.note("</script></title><img src=x onerror=alert(1)>\"'&\u{202e}");
    let page = page(&trace);
    assert_eq!((page.matches("<img").count(), page.matches("</script>").count()), (0, 1));
    assert!(
        page.contains(
            "note: &lt;/script&gt;&lt;/title&gt;&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;\\u{202e}<"
        )
    );
}

#[test]
fn each_lifeline_counts_its_events_by_one() {
    let mut log = String::new();
    talk().view().reads(true).write_shiviz(&mut log).unwrap();
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in log.lines().skip(1).step_by(2) {
        let (host, clock) = line.split_once(' ').unwrap();
        let count = counts.entry(host).or_default();
        *count += 1;
        assert!(clock.starts_with(&format!("{{\"{host}\":{count}")), "{line}");
    }
    // The close of the network is at no host.
    assert_eq!(counts.into_keys().collect::<Vec<_>>(), ["#1", "a", "b"]);
}

#[test]
fn a_trace_is_written_in_all_formats() {
    let folder = std::env::temp_dir().join(format!("virtnet-files-{}", std::process::id()));
    let paths = talk().write_files(&folder, "tests::a/../b c").unwrap();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let endings: Vec<_> = names.iter().filter_map(|name| name.strip_prefix("tests__a_.._b_c.")).collect();
    let expected = ["txt", "jsonl", "html", "pcapng"];
    assert_eq!(endings, expected[..if cfg!(feature = "pcapng") { 4 } else { 3 }]);
    assert!(paths.iter().all(|path| path.parent() == Some(&folder) && std::fs::metadata(path).unwrap().len() > 100));
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(feature = "pcapng")]
mod capture {
    use super::*;

    /// The packets of a capture.
    fn packets(trace: &Trace) -> Vec<Vec<u8>> {
        let mut file = Vec::new();
        trace.view().reads(true).pcapng().write(&mut file).unwrap();
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let (mut at, mut packets) = (0, Vec::new());
        while at < file.len() {
            if word(at) == 6 {
                packets.push(file[at + 28..at + 28 + word(at + 20)].to_vec());
            }
            assert_eq!(word(at + 4), word(at + word(at + 4) - 4), "a block has its length twice");
            at += word(at + 4);
        }
        packets
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// The sum of RFC 1071, which is 0 over data with its checksum.
    fn sum<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u16 {
        let mut sum = 0_u32;
        for part in parts {
            for pair in part.chunks(2) {
                sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
            }
        }
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    }

    #[test]
    fn the_sums_of_packets_are_right() {
        for packet in packets(&talk()) {
            let (ip, tcp) = packet[14..].split_at(20);
            let len = (tcp.len() as u16).to_be_bytes();
            assert_eq!((sum([ip]), sum([&ip[12..], &[0, 6], &len, tcp])), (0, 0));
        }
    }

    #[test]
    fn each_byte_has_the_number_of_its_offset() {
        let mut next = BTreeMap::<u16, u32>::new();
        let mut payload = BTreeMap::<u16, usize>::new();
        for packet in packets(&talk()) {
            let tcp = &packet[34..];
            let (port, seq, flags) = (u16::from_be_bytes([tcp[0], tcp[1]]), word(tcp, 4), tcp[13]);
            let len = tcp.len() - usize::from(tcp[12] >> 4) * 4;
            assert_eq!(*next.entry(port).or_insert(seq), seq, "a segment follows the one before");
            let peer = next.iter().find(|(other, _)| **other != port).map_or(0, |(_, next)| *next);
            if flags & 16 != 0 {
                assert!(peer.wrapping_sub(word(tcp, 8)) < 1 << 20, "what was not sent is acknowledged");
            }
            *next.entry(port).or_default() += len as u32 + u32::from(flags & 3 != 0);
            *payload.entry(port).or_default() += len;
        }
        assert_eq!(payload, [(1, 3012), (10, 6)].into());
    }

    #[test]
    fn an_event_without_a_packet_is_a_row() {
        let trace = Trace::new();
        trace.note("</b>\u{202e}\nMESSAGE=other");
        let mut file = Vec::new();
        trace.view().pcapng().write(&mut file).unwrap();
        let text = String::from_utf8_lossy(&file);
        assert!(
            text.contains("__REALTIME_TIMESTAMP=1000\nMESSAGE=1 #1 note: </b>\\u{202e}\\nMESSAGE=other\n"),
            "{text}"
        );
    }

    #[test]
    fn keys_are_in_the_file_and_not_in_debug() {
        let trace = Trace::new();
        let view = trace.view();
        let capture = view.pcapng().keys("CLIENT_RANDOM 00 11\n");
        let mut file = Vec::new();
        capture.write(&mut file).unwrap();
        assert!(String::from_utf8_lossy(&file).contains("CLIENT_RANDOM 00 11\n"));
        assert_eq!(format!("{capture:?}"), "Pcapng(20 bytes of keys, [], port offset 0)");
    }
}
