//! The file of a network and its folder, in every state in which they may be found.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use virtnet::ErrorKind;
use virtnet::lonet::{self, JoinError};

use crate::support::{Folder, LIMIT};

/// The folder of the network `net`, private to this user.
fn network_folder(folder: &Folder) -> PathBuf {
    let path = folder.path().join("net");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    path
}

/// The file of the network `net`, made by another program from this script.
fn file(folder: &Folder, script: &str) -> PathBuf {
    let path = network_folder(folder).join("registry.db");
    Connection::open(&path).unwrap().execute_batch(script).unwrap();
    path
}

fn refused(folder: &Folder, name: &str) -> JoinError {
    lonet::join(name).dir(folder.path()).wait_timeout(LIMIT).unwrap_err()
}

/// Asserts that the network `net` cannot be joined, because of this file or folder.
#[track_caller]
fn is_refused(folder: &Folder, path: &Path, reason: &str) {
    let error = refused(folder, "net");
    assert_eq!(error.to_string(), format!("lonet: join \"net\": {}: {reason}", path.display()));
    assert_eq!((error.kind(), error.path()), (ErrorKind::Backend, Some(path)));
}

/// Asserts that the network `net` works: a host is made, and found from another subnetwork.
#[track_caller]
fn works(folder: &Folder) {
    let (left, right) = (folder.join("net"), folder.join("net"));
    left.host("new").wait_timeout(LIMIT).unwrap();
    right.wait_for("new").wait_timeout(LIMIT).unwrap();
}

/// The tables of other implementations, and their entries.
const TABLES: &str = "
    CREATE TABLE hosts (hostname TEXT NON NULL PRIMARY KEY, osladdr TEXT NON NULL);
    CREATE TABLE meta (name TEXT NON NULL PRIMARY KEY, value TEXT NON NULL);
";
const META: &str = "INSERT INTO meta VALUES ('schemaver', 'lonet.1'), ('network', 'net');";

#[test]
fn a_new_file_has_the_form_of_other_implementations() {
    let folder = Folder::new();
    let net = folder.join("net");
    net.host("α").wait().unwrap();
    let db = Connection::open(net.registry_path()).unwrap();
    let text = |query: &str| db.query_row(query, [], |row| row.get::<_, String>(0)).unwrap();
    let number = |query: &str| db.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((text("PRAGMA journal_mode"), text("PRAGMA encoding")), ("wal".into(), "UTF-8".into()));
    assert_eq!(
        (number("PRAGMA user_version"), number("PRAGMA application_id"), number("PRAGMA page_size")),
        (0, 0, 4096)
    );
    let columns = |table| {
        let mut info = db.prepare(&format!("PRAGMA table_info({table})")).unwrap();
        let rows = info.query_map([], |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?, row.get(5)?)));
        rows.unwrap().map(Result::unwrap).collect::<Vec<(String, String, i64, i64)>>()
    };
    let column = |name: &str, key| (name.to_owned(), "TEXT NON".to_owned(), 0, key);
    assert_eq!(columns("hosts"), [column("hostname", 1), column("osladdr", 0)]);
    assert_eq!(columns("meta"), [column("name", 1), column("value", 0)]);
    assert_eq!(
        text("SELECT group_concat(name || '=' || value || '/' || typeof(value)) FROM meta"),
        "schemaver=lonet.1/text,network=net/text"
    );
    let addr = net.subnetwork().engine().addr().to_owned();
    assert_eq!(text("SELECT hex(hostname) || typeof(hostname) || osladdr FROM hosts"), format!("CEB1text{addr}"));
    assert_eq!(fs::metadata(folder.path().join("net")).unwrap().permissions().mode() & 0o777, 0o700);
    // No file is left that was only made to make this one.
    let mut files: Vec<_> =
        fs::read_dir(folder.path().join("net")).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["registry.db", "registry.db-shm", "registry.db-wal"]);
}

#[test]
fn files_of_other_implementations_are_joined() {
    for script in [
        format!("PRAGMA journal_mode = wal; {TABLES}{META}"),
        // Not all entries are there yet.
        TABLES.into(),
        format!("{TABLES} INSERT INTO meta VALUES ('network', 'net');"),
        format!("{TABLES} INSERT INTO meta VALUES ('schemaver', NULL), ('network', '');"),
        "CREATE TABLE hosts (hostname TEXT NON NULL PRIMARY KEY, osladdr TEXT NON NULL);".into(),
        // Another layout that answers the same.
        format!(
            "CREATE TABLE hosts (hostname TEXT PRIMARY KEY NOT NULL, osladdr TEXT NOT NULL, since INT DEFAULT 0) WITHOUT ROWID;
            CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT); CREATE TABLE more (x); {META}
            INSERT INTO meta VALUES ('colour', 'blue');"
        ),
    ] {
        let folder = Folder::new();
        file(&folder, &script);
        works(&folder);
    }
    // An empty file becomes one.
    let folder = Folder::new();
    fs::write(network_folder(&folder).join("registry.db"), b"").unwrap();
    works(&folder);
}

#[test]
fn a_name_that_is_no_text_of_ours_is_left_alone() {
    let folder = Folder::new();
    file(
        &folder,
        &format!(
            "{TABLES}{META} INSERT INTO hosts VALUES (CAST(x'FFFE' AS TEXT), '127.0.0.1:1'), ('', '127.0.0.1:1');"
        ),
    );
    works(&folder);
}

#[test]
fn other_versions_and_names_are_refused() {
    for (meta, reason) in [
        ("('schemaver', 'lonet.2'), ('network', 'net')", r#"schema version mismatch: want "lonet.1"; have "lonet.2""#),
        ("('schemaver', 'lonet.1'), ('network', 'other')", r#"network name mismatch: want "net"; have "other""#),
        (
            "('schemaver', 'lonet.2'), ('network', 'other')",
            r#"schema version mismatch: want "lonet.1"; have "lonet.2""#,
        ),
    ] {
        let folder = Folder::new();
        let path = file(&folder, &format!("{TABLES} INSERT INTO meta VALUES {meta};"));
        is_refused(&folder, &path, reason);
    }
}

#[test]
fn broken_files_are_refused() {
    let folder = Folder::new();
    let path = network_folder(&folder).join("registry.db");
    fs::write(&path, b"this is no database, and long enough to be seen to be none ".repeat(20)).unwrap();
    is_refused(&folder, &path, "file is not a database");

    let folder = Folder::new();
    let path = network_folder(&folder).join("registry.db");
    fs::create_dir(&path).unwrap();
    is_refused(&folder, &path, "unable to open database file");

    let folder = Folder::new();
    let path = network_folder(&folder).join("registry.db");
    symlink("/nowhere", &path).unwrap();
    is_refused(&folder, &path, "is a symbolic link");

    let folder = Folder::new();
    let path =
        file(&folder, &format!("CREATE TABLE hosts (name TEXT); CREATE TABLE meta (name TEXT, value TEXT); {META}"));
    is_refused(&folder, &path, "no such column: osladdr");

    let folder = Folder::new();
    let path = file(
        &folder,
        &format!("CREATE TABLE hosts (hostname, osladdr); CREATE TABLE meta (name, value); {META}{META}"),
    );
    is_refused(&folder, &path, "registry broken: duplicate config entries");
}

#[test]
fn a_name_that_is_there_twice_is_reported() {
    let folder = Folder::new();
    file(
        &folder,
        &format!(
            "CREATE TABLE hosts (hostname, osladdr); CREATE TABLE meta (name, value); {META}
            INSERT INTO hosts VALUES ('two', '127.0.0.1:1'), ('two', '127.0.0.1:2');"
        ),
    );
    let host = folder.join("net").host("a").wait().unwrap();
    let error = host.dial("two:1").wait().unwrap_err();
    assert_eq!(error.to_string(), "dial lonetnet a:1->two:1: lonet/net: registry broken: duplicate host entries");
}

#[test]
fn addresses_that_are_none_are_reported() {
    let folder = Folder::new();
    // A port at which no socket listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rows = format!("('free', '{free}'), ('short', ':{}'), ('name', 'localhost:{}'),", free.port(), free.port());
    let rows = format!(
        "{rows} ('nonsense', 'nonsense'), ('empty', ''), ('far', '192.0.2.1:80'), ('null', NULL), ('port', '127.0.0.1:99999')"
    );
    file(&folder, &format!("{TABLES}{META} INSERT INTO hosts VALUES {rows};"));
    let host = folder.join("net").host("a").wait().unwrap();
    let cause = |name: &str| host.dial((name, 1)).wait_timeout(LIMIT).unwrap_err().cause().to_string();
    for refused in ["free", "short", "name"] {
        assert_eq!(cause(refused), "connection refused", "{refused}");
    }
    for (name, data) in
        [("nonsense", "nonsense"), ("empty", ""), ("null", ""), ("far", "192.0.2.1:80"), ("port", "127.0.0.1:99999")]
    {
        assert_eq!(cause(name), format!("dial tcp4: address {data}: invalid"));
    }
}

#[test]
fn folders_that_others_could_use_are_refused() {
    let folder = Folder::new();
    let path = network_folder(&folder);
    for mode in [0o755, 0o770, 0o701] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        is_refused(&folder, &path, &format!("is open to other users (mode {mode:o})"));
    }
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    works(&folder);

    let folder = Folder::new();
    let (path, target) = (folder.path().join("net"), folder.path().join("target"));
    fs::create_dir(&target).unwrap();
    symlink(&target, &path).unwrap();
    is_refused(&folder, &path, "is a symbolic link");
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"").unwrap();
    is_refused(&folder, &path, "is not a folder");
}

#[test]
fn the_folder_of_another_user_is_refused() {
    let folder = Folder::new();
    let path = network_folder(&folder);
    // Only root may give a folder away, and only root could enter it then.
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
        println!("skipped: not run by root");
        return;
    }
    is_refused(&folder, &path, "belongs to another user");
}

#[test]
fn the_file_of_another_user_is_refused() {
    let folder = Folder::new();
    let path = folder.join("net").registry_path().to_owned();
    works(&folder);
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
        println!("skipped: not run by root");
        return;
    }
    is_refused(&folder, &path, "belongs to another user");
}

#[test]
fn names_that_are_no_names_of_folders_are_refused() {
    let folder = Folder::new();
    for name in ["a/b", "/", "../x", ".", "..", "a\0b", "a\nb", "[a]", "a]", &"n".repeat(27)] {
        let error = refused(&folder, name);
        assert_eq!(error.to_string(), format!("lonet: join {name:?}: invalid network name"));
        assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidInput, None));
    }
    for name in ["a b", "it's", "\"", "%s?#", "...", "é", &"n".repeat(26)] {
        assert_eq!(folder.join(name).short_name(), name);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 7);
}

#[test]
fn a_network_without_a_name_gets_one_of_its_own() {
    let folder = Folder::new();
    let (first, second) = (folder.join(""), folder.join(""));
    assert_ne!(first.short_name(), second.short_name());
    assert_eq!(first.network_name(), format!("lonet{}", first.short_name()));
    assert_eq!(first.registry_path(), folder.path().join(first.short_name()).join("registry.db"));
    first.host("a").wait().unwrap();
    folder.join(first.short_name()).wait_for("a").wait_timeout(LIMIT).unwrap();
    assert_eq!(second.new_host("a").wait().map(|host| host.name().to_string()), Ok("a".into()));
}

#[test]
fn a_lock_of_another_process_is_waited_for() {
    let folder = Folder::new();
    let net = folder.join("net");
    net.host("a").wait().unwrap();
    let mut other = Connection::open(net.registry_path()).unwrap();
    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    // A wait has an end, also before the lock's, and readers do not wait at all.
    let error = net.new_host("b").wait_timeout(Duration::from_millis(30)).unwrap_err();
    assert_eq!(error.to_string(), r#"virtnet "lonetnet": new host "b": timed out"#);
    net.wait_for("a").wait_timeout(LIMIT).unwrap();
    folder.join("net");
    let waiting = thread::spawn({
        let net = net.clone();
        move || net.host("b").wait().map(|host| host.name().to_string())
    });
    net.wait_for("b").wait_timeout(Duration::from_millis(30)).unwrap_err();
    drop(lock);
    assert_eq!(waiting.join().unwrap(), Ok("b".into()));
}

#[test]
fn joining_a_locked_file_ends_with_its_time() {
    let folder = Folder::new();
    let path = file(&folder, "");
    let mut other = Connection::open(&path).unwrap();
    let _lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive).unwrap();
    let start = Instant::now();
    let error = lonet::join("net").dir(folder.path()).wait_timeout(Duration::from_millis(50)).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::TimedOut, "lonet: join \"net\": timed out".into()));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_name_that_has_moved_is_dialled_where_it_is() {
    let folder = Folder::new();
    let [left, middle, right] = [(); 3].map(|()| folder.join("net"));
    left.host("a").wait_timeout(LIMIT).unwrap();
    middle.host("c").wait_timeout(LIMIT).unwrap();
    let b = right.host("b").wait_timeout(LIMIT).unwrap();
    let dial = || b.dial("a:9").wait_timeout(LIMIT).unwrap_err().cause().to_string();
    assert_eq!([dial(), dial()], ["connection refused"; 2]);
    let other = Connection::open(left.registry_path()).unwrap();
    let moves = "UPDATE hosts SET osladdr = (SELECT osladdr FROM hosts WHERE hostname = 'c') WHERE hostname = 'a'";
    other.execute(moves, []).unwrap();
    let moved = format!("loconnect {}: address a:9: no such host", middle.subnetwork().engine().addr());
    assert_eq!([dial(), dial()], [&*moved; 2]);
    other.execute("DELETE FROM hosts WHERE hostname = 'a'", []).unwrap();
    assert_eq!(dial(), "lonet/net: query [\"a\"]: no such host");
}

#[test]
fn a_file_that_was_removed_is_noticed() {
    let folder = Folder::new();
    let net = folder.join("net");
    let a = net.host("a").wait().unwrap();
    fs::remove_dir_all(folder.path().join("net")).unwrap();
    let removed = "lonet/net: registry.db was removed";
    assert_eq!(net.new_host("b").wait().unwrap_err().cause().to_string(), removed);
    assert_eq!(a.dial("b:1").wait().unwrap_err().cause().to_string(), removed);
    // Those that are known are reached, and the network closes as ever.
    let listener = a.listen(":1").unwrap();
    let accepting =
        thread::spawn(move || listener.accept().wait_timeout(LIMIT).map(|conn| conn.peer_addr().to_string()));
    a.dial("a:1").wait_timeout(LIMIT).unwrap();
    assert_eq!(accepting.join().unwrap(), Ok("a:2".into()));
    net.close().wait().unwrap();
    // Another network of that name is another network.
    works(&folder);
}

#[test]
fn a_closed_network_says_so() {
    let folder = Folder::new();
    let net = folder.join("net");
    let waiting = thread::spawn({
        let net = net.clone();
        move || net.wait_for("a").wait().unwrap_err().to_string()
    });
    net.close().wait().unwrap();
    net.close().wait().unwrap();
    assert_eq!(waiting.join().unwrap(), r#"virtnet "lonetnet": resolve "a": network is down"#);
    assert_eq!(net.host("a").wait().unwrap_err().kind(), ErrorKind::NetworkDown);
    let names = folder.join("net");
    names.host("a").wait().unwrap();
}
