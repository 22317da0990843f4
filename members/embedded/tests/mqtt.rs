//! rust-mqtt, an MQTT client over embedded-io-async, and a broker of one page.

use embassy_futures::block_on;
use embassy_futures::join::join3;
use embedded_io_async::{Read, Write};
use rust_mqtt::Bytes;
use rust_mqtt::buffer::AllocBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};
use virtnet::pipenet::fixed::{Conn, Host, Listener, Network};

type Mqtt<'a, 'c> = Client<'a, 'c, Conn, AllocBuffer, 1, 1, 1, 1, 0, 0, 0>;

const TOPIC: &str = "rust-mqtt/is/great";
const MESSAGES: [&str; 3] = ["one", "two", "a message that is longer than the buffer of a connection"];

/// Reads a packet: its first byte, and the bytes after its length. Returns nothing at the end of the stream.
async fn packet(conn: &mut Conn) -> Option<(u8, Vec<u8>)> {
    let mut byte = [0];
    if conn.read(&mut byte).await.unwrap() == 0 {
        return None;
    }
    let (kind, mut len, mut shift) = (byte[0], 0, 0);
    loop {
        conn.read_exact(&mut byte).await.unwrap();
        len |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; len];
    conn.read_exact(&mut body).await.unwrap();
    Some((kind, body))
}

async fn expect(conn: &mut Conn, kind: u8) -> Vec<u8> {
    let (found, body) = packet(conn).await.expect("the stream goes on");
    assert_eq!(found & 0xf0, kind);
    body
}

/// Serves one subscriber and one publisher: forwards messages published with QoS 1 as QoS 0.
async fn broker(listener: Listener) {
    const CONNECT: u8 = 0x10;
    const PUBLISH: u8 = 0x30;
    const SUBSCRIBE: u8 = 0x80;
    const DISCONNECT: u8 = 0xe0;
    let welcome = async || {
        let mut conn = listener.accept().await.unwrap();
        expect(&mut conn, CONNECT).await;
        conn.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        conn
    };
    let mut subscriber = welcome().await;
    let subscription = expect(&mut subscriber, SUBSCRIBE).await;
    subscriber.write_all(&[0x90, 4, subscription[0], subscription[1], 0, 0]).await.unwrap();

    let mut publisher = welcome().await;
    for _ in MESSAGES {
        let message = expect(&mut publisher, PUBLISH).await;
        // The topic, the packet identifier, no properties, and the message.
        let (topic, rest) = message.split_at(2 + usize::from(message[1]));
        let (number, rest) = rest.split_at(2);
        publisher.write_all(&[0x40, 2, number[0], number[1]]).await.unwrap();
        subscriber.write_all(&[PUBLISH, (topic.len() + rest.len()) as u8]).await.unwrap();
        subscriber.write_all(topic).await.unwrap();
        subscriber.write_all(rest).await.unwrap();
    }
    expect(&mut publisher, DISCONNECT).await;
    expect(&mut subscriber, DISCONNECT).await;
}

async fn connect(client: &mut Mqtt<'_, '_>, host: &Host, name: &str) {
    let conn = host.dial("broker:1883").await.unwrap();
    let options = ConnectOptions::new().clean_start();
    client.connect(conn, &options, Some(MqttString::try_from(name).unwrap())).await.unwrap();
}

async fn subscribe(host: Host) {
    let mut buffer = AllocBuffer;
    let mut client = Mqtt::new(&mut buffer);
    connect(&mut client, &host, "subscriber").await;
    let topic = TopicFilter::new(MqttString::try_from(TOPIC).unwrap()).unwrap();
    client.subscribe(topic, &SubscriptionOptions::new()).await.unwrap();
    assert!(matches!(client.poll().await, Ok(Event::Suback(_))));
    for message in MESSAGES {
        match client.poll().await {
            Ok(Event::Publish(publication)) => assert_eq!(publication.message.as_ref(), message.as_bytes()),
            other => panic!("{other:?} instead of {message:?}"),
        }
    }
    client.disconnect(&DisconnectOptions::new()).await.unwrap();
}

async fn publish(host: Host) {
    let mut buffer = AllocBuffer;
    let mut client = Mqtt::new(&mut buffer);
    connect(&mut client, &host, "publisher").await;
    let topic = TopicName::new(MqttString::try_from(TOPIC).unwrap()).unwrap();
    for message in MESSAGES {
        let options = PublicationOptions::new(TopicReference::Name(topic.as_borrowed())).at_least_once();
        client.publish(&options, Bytes::from(message.as_bytes())).await.unwrap();
        assert!(matches!(client.poll().await, Ok(Event::PublishAcknowledged(_))));
    }
    client.disconnect(&DisconnectOptions::new()).await.unwrap();
}

#[test]
fn a_subscriber_gets_published_messages() {
    static NET: Network<'static> = virtnet::fixed!("mqtt", 3, 8, 2, 32);
    let hosts = ["broker", "subscriber", "publisher"].map(|name| NET.host(name).unwrap());
    let [server, subscriber, publisher] = hosts.clone();
    let listener = server.listen(":1883").unwrap();
    block_on(join3(broker(listener), subscribe(subscriber), publish(publisher)));
    assert_eq!((hosts.map(|host| host.sockets()), NET.pipes()), ([0, 0, 0], 0));
}
