//! The kinds of network that programs run on.

use virtnet::pipenet::{self, fixed};
use virtnet::sim::Faults;
use virtnet::table::{Fixed, FixedMemory, Heap};
use virtnet::{Clock, NetRef, SubNetwork};

use super::{Report, World};
use crate::model::{ENDLESS, Model, Rules};
use crate::op::{EAGER, Program, RENDEZVOUS, Word, has_faults};
use crate::relay::{Names, Relay};

/// The configuration in the first four bytes of a program.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The backend of the network, and its tables.
    pub backend: Backend,
    /// The rules that the model follows.
    pub rules: Rules,
    /// Whether all woken operations are polled after each operation.
    pub eager: bool,
    /// The initial number of hosts and of listeners.
    pub hosts: usize,
    /// Whether the oldest objects are dropped last in the end.
    pub reversed: bool,
}

/// The backend of a network, and its tables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backend {
    /// pipenet's, on the heap.
    Heap,
    /// pipenet's on the heap, with faults.
    Faulty,
    /// pipenet's, in memory of this shape.
    Fixed(usize),
    /// An acknowledging backend, on the heap.
    RelayHeap,
    /// An acknowledging backend, in memory of this shape.
    RelayFixed(usize),
}

/// The numbers of hosts, sockets, pipes and bytes.
const SHAPES: [[usize; 4]; 4] = [[2, 4, 1, 1], [2, 7, 2, 3], [3, 9, 8, 2], [4, 24, 5, 7]];

impl Setup {
    /// Decodes a setup from these bytes.
    #[must_use]
    pub fn decode(config: Word) -> Self {
        let [backend, flags, buffer, more] = config;
        let flag = |bit: u8| flags & (1 << bit) != 0;
        let shape = usize::from(more) % SHAPES.len();
        let backend = match backend % 8 {
            0..=2 if has_faults(config) => Backend::Faulty,
            0..=2 => Backend::Heap,
            3..=5 => Backend::Fixed(shape),
            6 => Backend::RelayHeap,
            _ => Backend::RelayFixed(shape),
        };
        let relayed = matches!(backend, Backend::RelayHeap | Backend::RelayFixed(_));
        let [hosts, sockets, pipes, bytes] = match backend {
            Backend::Heap | Backend::Faulty | Backend::RelayHeap => [ENDLESS, ENDLESS, ENDLESS, 0],
            Backend::Fixed(_) => SHAPES[shape],
            Backend::RelayFixed(_) => [SHAPES[shape][0], SHAPES[shape][1], ENDLESS, 0],
        };
        let close_failure = |bit: u8, text| (relayed && flag(bit)).then_some(text);
        let rules = Rules {
            network: if relayed { "x" } else { "pipet" },
            registry: if relayed { Names::NAME } else { "ram(pipet)" },
            hosts,
            sockets,
            pipes,
            backlog: [4096, 4096, 1, 2][usize::from(more >> 4) % 4],
            buffer: if bytes > 0 { bytes } else { [1, 2, 3, 5, 8, 300][usize::from(buffer) % 6] },
            rendezvous: !relayed && backend != Backend::Faulty && flags & RENDEZVOUS != 0,
            reset_unread: relayed || !(flag(5) && flag(6)),
            share_port: flag(1) && flag(2),
            acknowledged: relayed,
            faults: backend == Backend::Faulty,
            close_failures: [close_failure(5, "eng err"), close_failure(6, "reg err")],
        };
        Self { backend, rules, eager: flags & EAGER != 0, hosts: 2 + usize::from(flag(4)), reversed: flag(7) }
    }

    /// Runs a program on such a network.
    ///
    /// # Errors
    ///
    /// The difference from the model.
    pub fn run(&self, program: &Program, report: &mut Report) -> Result<(), String> {
        match self.backend {
            Backend::Heap => self.run_heap(program, report),
            Backend::Faulty => self.run_faulty(program, report),
            Backend::Fixed(0) => self.run_fixed::<2, 4, 1, 1>(program, report),
            Backend::Fixed(1) => self.run_fixed::<2, 7, 2, 3>(program, report),
            Backend::Fixed(2) => self.run_fixed::<3, 9, 8, 2>(program, report),
            Backend::Fixed(_) => self.run_fixed::<4, 24, 5, 7>(program, report),
            Backend::RelayHeap => self.run_relay_heap(program, report),
            Backend::RelayFixed(0) => self.run_relay_fixed::<2, 4>(program, report),
            Backend::RelayFixed(1) => self.run_relay_fixed::<2, 7>(program, report),
            Backend::RelayFixed(2) => self.run_relay_fixed::<3, 9>(program, report),
            Backend::RelayFixed(_) => self.run_relay_fixed::<4, 24>(program, report),
        }
    }

    fn options(&self) -> String {
        let Rules { rendezvous, reset_unread, share_port, backlog, .. } = self.rules;
        format!(".rendezvous({rendezvous}).reset_unread({reset_unread}).share_port({share_port}).backlog({backlog})")
    }

    fn run_heap(&self, program: &Program, report: &mut Report) -> Result<(), String> {
        let Rules { buffer, rendezvous, reset_unread, share_port, backlog, .. } = self.rules;
        report.say(|| format!(r#"let net = Network::builder("t").buffer({buffer}){}.build()?;"#, self.options()));
        let builder = pipenet::Network::builder("t").buffer(buffer).rendezvous(rendezvous).reset_unread(reset_unread);
        let net = builder.share_port(share_port).backlog(backlog as u32).build().expect("valid options");
        World::new(net.subnetwork().clone(), self, None, None).growable().run(program, report)?;
        let weak = net.subnetwork().downgrade();
        drop(net);
        if weak.strong_count() == 0 { Ok(()) } else { Err("something still holds the network".into()) }
    }

    fn run_faulty(&self, program: &Program, report: &mut Report) -> Result<(), String> {
        let Rules { buffer, reset_unread, share_port, backlog, .. } = self.rules;
        report.say(|| "let faults = Faults::new().clock(Clock::manual());".into());
        report.say(|| {
            format!(
                r#"let net = Network::builder("t").buffer({buffer}){}.layer(faults.clone()).build()?;"#,
                self.options()
            )
        });
        let clock = Clock::manual();
        let faults = Faults::new().clock(clock.clone());
        let builder = pipenet::Network::builder("t").buffer(buffer).reset_unread(reset_unread);
        let builder = builder.share_port(share_port).backlog(backlog as u32);
        let net = builder.layer(faults.clone()).build().expect("valid options");
        let world = World::new(net.subnetwork().clone(), self, None, None).growable();
        world.faulty(&faults).run(program, report)?;
        let weak = net.subnetwork().downgrade();
        drop(net);
        match (weak.strong_count(), clock.timers().expect("it counts them")) {
            (0, 0) => Ok(()),
            (0, timers) => Err(format!("{timers} timers are left")),
            (..) => Err("something still holds the network".into()),
        }
    }

    fn run_fixed<const HOSTS: usize, const PORTS: usize, const PIPES: usize, const BUFFER: usize>(
        &self,
        program: &Program,
        report: &mut Report,
    ) -> Result<(), String> {
        let Rules { rendezvous, reset_unread, share_port, backlog, .. } = self.rules;
        let memory = fixed::Memory::<HOSTS, PORTS, PIPES, BUFFER>::new();
        report.say(|| format!("let memory = Memory::<{HOSTS}, {PORTS}, {PIPES}, {BUFFER}>::new();"));
        report.say(|| format!(r#"let net = Network::new("t", &memory){};"#, self.options()));
        let net = fixed::Network::new("t", &memory).rendezvous(rendezvous).share_port(share_port);
        let net = net.reset_unread(reset_unread).backlog(backlog as u32);
        World::new(net.subnetwork(), self, Some(&|| net.pipes()), None).run(program, report)
    }

    fn run_relay_heap(&self, program: &Program, report: &mut Report) -> Result<(), String> {
        report.say(|| format!("let net = relay on the heap{};", self.options()));
        let (engine, registry) = self.relay();
        let net = SubNetwork::new("x", engine.clone(), registry, Heap::new());
        let net = std::sync::Arc::new(net.share_port(self.rules.share_port).backlog(self.rules.backlog as u32));
        let world = World::new(net.clone(), self, None, Some(&engine)).growable();
        Self::run_relay(&engine, world, program, report)?;
        drop(net);
        closed_once(&engine)
    }

    fn run_relay_fixed<const HOSTS: usize, const SOCKETS: usize>(
        &self,
        program: &Program,
        report: &mut Report,
    ) -> Result<(), String> {
        report.say(|| format!("let net = relay in memory for {HOSTS} hosts, {SOCKETS} sockets{};", self.options()));
        let (engine, registry) = self.relay();
        let memory = FixedMemory::<_, HOSTS, SOCKETS>::new();
        let net = SubNetwork::new("x", engine.clone(), registry, Fixed::new(&memory));
        let net = net.share_port(self.rules.share_port).backlog(self.rules.backlog as u32);
        let world = World::new(&net, self, None, Some(&engine));
        Self::run_relay(&engine, world, program, report)?;
        drop(net);
        closed_once(&engine)
    }

    fn relay(&self) -> (Relay, Names) {
        let [engine, registry] = self.rules.close_failures;
        (Relay::new(self.rules.buffer, engine), Names::new(registry))
    }

    fn run_relay<N: NetRef>(
        engine: &Relay,
        world: World<'_, N>,
        program: &Program,
        report: &mut Report,
    ) -> Result<(), String> {
        world.run(program, report)?;
        match engine.ends() {
            0 => Ok(()),
            ends => Err(format!("{ends} ends of connections were not released")),
        }
    }

    /// The model of such a network.
    #[must_use]
    pub fn model(&self) -> Model {
        Model::new(self.rules)
    }
}

fn closed_once(engine: &Relay) -> Result<(), String> {
    match engine.closed() {
        1 => Ok(()),
        times => Err(format!("the engine was closed {times} times")),
    }
}
