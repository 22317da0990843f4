//! A virtual network with doors to the operating system's TCP, in both directions.
//!
//! A browser or curl reaches the virtual host `web:80` through a port of 127.0.0.1, and the virtual host reaches a real
//! server under the name `db:5432`. Here, threads of this program take the parts of the browser and of the real server.
//!
//! ```sh
//! cargo run --example bridge --features bridge
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use virtnet::bridge::Bridge;
use virtnet::pipenet::{Conn, Host, Network};
use virtnet::{Networker, Tcp};

fn main() -> io::Result<()> {
    let net = Network::new("lab");
    let (web, db, gateway) = (net.host("web")?, net.host("db")?, net.host("gateway")?);
    let loopback = Tcp::new("127.0.0.1")?;

    // From a virtual name to a real server.
    let real = TcpListener::bind("127.0.0.1:0")?;
    let addr = real.local_addr()?;
    let database = thread::spawn(move || answer_queries(&real));
    let to_database = Bridge::start(db.listen(":5432")?, loopback.clone(), addr)?;
    println!("{} is the real {addr}", to_database.local_addr());

    // From a real port to a virtual host. Any free port of 127.0.0.1 will do.
    let listener = web.listen(":80")?;
    let serving = thread::spawn(move || serve(&web, listener.accept().wait()?));
    let to_web = Bridge::start(loopback.listen("")?, gateway, "web:80")?;
    println!("http://{} is the virtual web:80: curl could load it", to_web.local_addr());

    // What curl does.
    let mut browser = TcpStream::connect(to_web.local_addr().to_string())?;
    browser.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut page = String::new();
    browser.read_to_string(&mut page)?;
    println!("{page}");
    assert_eq!(page, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nthe database says: 42");

    serving.join().expect("the server does not panic")?;
    database.join().expect("the database does not panic")?;
    for bridge in [to_web, to_database] {
        bridge.stop();
        println!("{}: {:?}", bridge.local_addr(), bridge.counts());
        assert_eq!((bridge.counts().open, bridge.counts().total, bridge.counts().failed), (0, 1, 0));
    }
    println!("all as expected, and no port is open any more");
    Ok(())
}

/// A web server on a virtual host: answers one request, with what the database says.
fn serve(host: &Host, mut conn: Conn) -> io::Result<()> {
    let head: Vec<String> = BufReader::new(&conn)
        .lines()
        .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
        .collect::<io::Result<_>>()?;
    assert_eq!(head, ["GET / HTTP/1.0"]);

    let mut database = host.dial("db:5432").wait()?;
    database.write_all(b"SELECT 6 * 7")?;
    database.close_write()?;
    let answer = io::read_to_string(&database)?;
    write!(conn, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nthe database says: {answer}")
}

/// A server on the operating system's TCP: reads one query to its end, and answers.
fn answer_queries(listener: &TcpListener) -> io::Result<()> {
    let (mut conn, _) = listener.accept()?;
    assert_eq!(io::read_to_string(&conn)?, "SELECT 6 * 7");
    write!(conn, "{}", 6 * 7)
}
