//! A dial through faults.
//!
//! 1. The request is on its way to the host that it is for. It may be refused there, or by a link that is cut.
//! 2. The engine within dials. When it hands the far end over, which the request has to arrive for, the notifier of this
//!    module gives both ends to the faults, and passes the far one on.
//!    A host that loses its power forgets the requests that wait there: they are sent again, like any that reach it
//!    then, and arrive when it has its power back.
//! 3. The listener accepts, or refuses, which the core [tells](Engine::answer): from then on, the answer is on its way
//!    back. A dial whose engine fails, or whose listener is elsewhere, sends the answer itself when it finds the outcome.
//!
//! However a dial ends before its connection exists, nothing of it stays on its way. If a listener has accepted it
//! already, the end of the stream is sent to that.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use crate::addr::Addr;
use crate::contract::any_notifier::AnyNotifier;
use crate::contract::engine::{Engine, Shutdown};
use crate::contract::notifier::Notifier;
use crate::error::cause::Cause;
use crate::sim::direction::NEVER;
use crate::sim::faulty::{Faulty, FaultyLink};
use crate::sim::letter::{Letter, Outcome};
use crate::sim::letters::{Begun, REFUSED, Refused};
use crate::sim::links::Links;
use crate::sim::rule::{Traffic, Verdict};
use crate::sim::setting::nanos;
use crate::sim::shared::OnItsWay;
use crate::sim::voyage::Voyage;
use crate::sync::Lock;

pub(super) async fn dial<E: Engine + 'static, N: Notifier<Link = FaultyLink<E>>>(
    faulty: &Faulty<E>,
    src: &Addr,
    dst: &Addr,
    data: E::Data,
    notifier: &N,
) -> Result<(FaultyLink<E>, Addr), Cause> {
    let ending = || notifier.ending();
    let mut began = None;
    loop {
        let mut dialling = Open::new(faulty, &ending, src, dst, &mut began);
        let connected = match dialling.refused {
            Some(Refused::OnTheWay) => Err(Failed::There(REFUSED)),
            Some(Refused::There) => Err(Box::pin(dialling.refusal()).await.map_or_else(Failed::Now, Failed::There)),
            None => {
                let (fate, far) = (&dialling.links.fate, Far { notifier, open: &dialling });
                let mut dial = pin!(faulty.inner.dial(src, dst, data.clone(), &far));
                let failed = |outcome: Result<(), Cause>| Err(Failed::Now(outcome.err().unwrap_or(REFUSED)));
                poll_fn(|cx| {
                    if let Some(outcome @ (Outcome::Refused | Outcome::TimedOut)) = fate.outcome() {
                        return Poll::Ready(failed(outcome.into()));
                    }
                    match dial.as_mut().poll(cx) {
                        Poll::Ready(connected) => Poll::Ready(connected.map_err(Failed::There)),
                        // Once it is answered, the engine wakes the task.
                        Poll::Pending => match fate.poll(cx) {
                            Poll::Ready(outcome @ Err(_)) => Poll::Ready(failed(outcome)),
                            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                        },
                    }
                })
                .await
            }
        };
        // All that a fault delays is in futures of its own, which would make each dial larger.
        match connected {
            Ok((link, peer)) if dialling.is_over() => return Ok((dialling.near(link), peer)),
            Ok((link, peer)) => return Box::pin(dialling.connected(link, peer)).await,
            Err(Failed::Now(cause)) => return Err(cause),
            // The engine itself failed, before the dial was on its way.
            Err(Failed::There(cause)) if dialling.refused.is_none() && !dialling.links.are_made() => return Err(cause),
            Err(Failed::There(cause)) => {
                faulty.shared().act(|world, actions| world.forget(dialling.links.conn, actions));
                // The request may have to be sent again.
                if !faulty.shared().look(|world| world.is_forgotten(dialling.links.conn)) {
                    return Box::pin(dialling.failed(cause)).await;
                }
            }
        }
    }
}

/// Why a dial failed.
enum Failed {
    /// It was not on its way, or is not any more.
    Now(Cause),
    /// Where it arrived, so that an answer is sent.
    There(Cause),
}

/// A dial under way, as [`Begun`], with what it has made so far.
struct Open<'a, E: Engine + 'static> {
    faulty: &'a Faulty<E>,
    ending: &'a Ending<'a>,
    /// Those of its connection.
    links: Arc<Links<E>>,
    refused: Option<Refused>,
    /// The request, if it takes time to arrive.
    request: Option<Box<OnItsWay>>,
    /// Whether the faults know that it is over.
    over: bool,
}

/// How the near end ends if the dial is dropped.
type Ending<'a> = dyn Fn() -> Shutdown + Sync + 'a;

impl<'a, E: Engine + 'static> Open<'a, E> {
    fn new(faulty: &'a Faulty<E>, ending: &'a Ending<'a>, src: &Addr, dst: &Addr, began: &mut Option<u64>) -> Self {
        let shared = faulty.shared();
        let judged = match shared.judge(|| Traffic::Dial { from: src.host(), to: dst.host(), port: dst.port }) {
            Verdict::Pass => (0, None),
            Verdict::Delay(by) => (nanos(by), None),
            Verdict::Hold => (NEVER, None),
            Verdict::Reset => (0, Some(Refused::OnTheWay)),
            Verdict::Refuse => (0, Some(Refused::There)),
        };
        let make = |conn| Arc::new(Links::new(faulty.inner.clone(), shared.clone(), conn));
        let hosts = [&src.host, &dst.host];
        let at_once = if judged == (0, None) { shared.look(|world| world.dial_at_once(hosts, make)) } else { None };
        let (begun, links) = at_once.map(|links| (Begun::default(), links)).unwrap_or_else(|| {
            let now = shared.now();
            let began = *began.get_or_insert(now);
            shared.look(|world| world.dial(hosts, judged, (began, now), make))
        });
        let Begun { request, refused, is_late } = begun;
        if is_late {
            shared.act(|_, _| ());
        }
        let request = request.map(|sent| Box::new(OnItsWay::new(shared, sent)));
        Self { faulty, ending, links, refused, request, over: false }
    }

    /// The dialling end.
    fn near(&self, link: E::Link) -> FaultyLink<E> {
        if self.faulty.inner.delay_io().is_none() {
            self.links.set(0, link.clone());
        }
        FaultyLink { link, links: self.links.clone(), side: 0 }
    }

    /// The engine has made the connection: the answer is sent, unless that was done, and arrives.
    async fn connected(self, link: E::Link, peer: Addr) -> Result<(FaultyLink<E>, Addr), Cause> {
        if !self.links.are_made() {
            // An engine whose peer is elsewhere has not asked the notifier.
            self.request().await?;
            self.made(0, link.clone(), [true, false]);
        }
        let near = Near { faulty: self.faulty, ending: self.ending, end: Some(self.near(link)) };
        self.answer(true).await?;
        Ok((near.keep(), peer))
    }

    /// There is no connection: the answer is sent, unless that was done, and arrives.
    async fn failed(self, cause: Cause) -> Result<(FaultyLink<E>, Addr), Cause> {
        self.answer(false).await?;
        Err(cause)
    }

    async fn answer(&self, accepted: bool) -> Result<(), Cause> {
        self.links.answer(accepted);
        poll_fn(|cx| self.links.fate.poll(cx)).await
    }

    /// Whether there is a connection, and the answer has arrived. The faults know then that the dial is over.
    fn is_over(&mut self) -> bool {
        self.over = self.links.are_made() && self.links.is_answered();
        self.over
    }

    /// The request arrives, and is refused there: the answer is sent by itself.
    async fn refusal(&self) -> Result<Cause, Cause> {
        let Some(request) = &self.request else { return Ok(REFUSED) };
        let (request, links) = (request.letter.clone(), self.links.clone());
        let voyage = Voyage::begin(async move {
            if poll_fn(|cx| request.poll(cx)).await.is_ok() {
                links.answer(false);
            }
        });
        let outcome = poll_fn(|cx| self.links.fate.poll(cx)).await;
        drop(voyage);
        outcome.map(|()| REFUSED)
    }

    /// The request arrives, unless the dial fails before.
    async fn request(&self) -> Result<(), Cause> {
        let Some(request) = &self.request else { return Ok(()) };
        poll_fn(|cx| match self.links.fate.poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => request.letter.poll(cx),
        })
        .await
    }

    /// The engine has made the connection, of which these ends are of this network, and this is the link of one.
    fn made(&self, side: usize, link: E::Link, own: [bool; 2]) {
        let (shared, conn) = (self.faulty.shared(), self.links.conn);
        self.links.set(side, link);
        if shared.look(|world| world.open(conn, own)) {
            shared.act(|world, actions| world.follow_first(conn, actions));
        }
    }
}

impl<E: Engine + 'static> Drop for Open<'_, E> {
    fn drop(&mut self) {
        let shared = self.faulty.shared();
        if !self.over && shared.look(|world| world.dialled(self.links.conn)) {
            shared.act(|_, _| ());
        }
    }
}

/// The dialling end, closed unless the dial is done.
struct Near<'a, E: Engine + 'static> {
    faulty: &'a Faulty<E>,
    ending: &'a Ending<'a>,
    end: Option<FaultyLink<E>>,
}

impl<E: Engine + 'static> Near<'_, E> {
    fn keep(mut self) -> FaultyLink<E> {
        match self.end.take() {
            Some(end) => end,
            None => unreachable!("the end is kept once"),
        }
    }
}

impl<E: Engine + 'static> Drop for Near<'_, E> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            self.faulty.shutdown(&end, (self.ending)());
            self.faulty.release(&end);
        }
    }
}

/// The notifier of an engine with faults: the far end of a connection is handed over when the request has arrived. The
/// engine closes its end politely if the dial is dropped, as the faults end the connection when that arrives.
struct Far<'a, 'b, N, E: Engine + 'static> {
    notifier: &'a N,
    open: &'a Open<'b, E>,
}

impl<N, E> Far<'_, '_, N, E>
where
    N: Notifier<Link = FaultyLink<E>>,
    E: Engine + 'static,
{
    /// The request is on its way, and arrives by itself.
    async fn travel(
        &self,
        src: &Addr,
        dst: &Addr,
        link: E::Link,
        request: &OnItsWay,
        notifier: AnyNotifier<FaultyLink<E>>,
    ) -> Result<Addr, Cause> {
        let (far, mut left) = self.ends(link);
        let (src, dst, request) = (*src, *dst, request.letter.clone());
        let outcome = Arc::new((Letter::new(), Lock::new(None)));
        let sent = outcome.clone();
        let held = Held { engine: self.open.faulty.inner.clone(), end: Some(far) };
        let voyage = Voyage::begin(async move {
            // A dial that fails on its way is dropped.
            if poll_fn(|cx| request.poll(cx)).await.is_ok() {
                let far = held.pass();
                let links = far.links.clone();
                let connected = notifier.connect(&src, &dst, far).await;
                links.answer(connected.is_ok());
                sent.1.with(|sent| *sent = Some(connected));
                sent.0.settle(Outcome::Arrived);
            }
        });
        poll_fn(|cx| outcome.0.poll(cx)).await?;
        left.done = true;
        drop(voyage);
        outcome.1.with(|connected| *connected).unwrap_or(Err(REFUSED))
    }

    /// The far end is handed over once the request has arrived.
    async fn late(&self, src: &Addr, dst: &Addr, link: E::Link) -> Result<Addr, Cause> {
        if let (Some(request), Some(notifier)) = (&self.open.request, self.open.faulty.notifier()) {
            return self.travel(src, dst, link, request, notifier).await;
        }
        let (far, mut left) = self.far(link).await?;
        let connected = self.notifier.connect(src, dst, far).await;
        left.done = true;
        connected
    }

    /// Waits until the request has arrived. Returns the far end, and what the near one has to do if the dial is dropped.
    async fn far(&self, link: E::Link) -> Result<(FaultyLink<E>, Left<'_, E>), Cause> {
        let (far, left) = self.ends(link);
        let held = Held { engine: self.open.faulty.inner.clone(), end: Some(far) };
        self.open.request().await?;
        Ok((held.pass(), left))
    }

    /// Gives both ends to the faults.
    fn ends(&self, link: E::Link) -> (FaultyLink<E>, Left<'_, E>) {
        let Open { faulty, ending, links, .. } = self.open;
        self.open.made(1, link.clone(), [true; 2]);
        (FaultyLink { link, links: links.clone(), side: 1 }, Left { faulty, ending: *ending, links, done: false })
    }
}

impl<N, E> Notifier for Far<'_, '_, N, E>
where
    N: Notifier<Link = FaultyLink<E>>,
    E: Engine + 'static,
{
    type Link = E::Link;
    type Accept = N::Accept;

    async fn accept(&self, src: &Addr, dst: &Addr, link: E::Link) -> Result<Self::Accept, Cause> {
        let (far, mut left) = self.far(link).await?;
        let accept = self.notifier.accept(src, dst, far).await;
        left.done = true;
        accept
    }

    async fn connect(&self, src: &Addr, dst: &Addr, link: E::Link) -> Result<Addr, Cause> {
        if self.open.request.is_some() {
            // It is rare, and would make each dial larger.
            return Box::pin(self.late(src, dst, link)).await;
        }
        let (far, mut left) = self.ends(link);
        let connected = self.notifier.connect(src, dst, far).await;
        left.done = true;
        connected
    }

    fn down(&self, cause: Cause) -> impl Future<Output = ()> + Send {
        self.notifier.down(cause)
    }
}

/// The far end, until it is handed over. One that never is, is not known to any program: it is closed at once.
struct Held<E: Engine + 'static> {
    engine: Arc<E>,
    end: Option<FaultyLink<E>>,
}

impl<E: Engine + 'static> Held<E> {
    fn pass(mut self) -> FaultyLink<E> {
        match self.end.take() {
            Some(end) => end,
            None => unreachable!("the end is handed over once"),
        }
    }
}

impl<E: Engine + 'static> Drop for Held<E> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end.links.shared.act(|world, actions| world.forget(end.links.conn, actions));
            self.engine.shutdown(&end.link, Shutdown::Close);
            self.engine.release(&end.link);
        }
    }
}

/// A dial that waits at a listener. If it is dropped, a listener may have accepted it: that is sent the end of the
/// stream. Where none has, both ends are closed, and nothing is on its way.
struct Left<'a, E: Engine + 'static> {
    faulty: &'a Faulty<E>,
    ending: &'a Ending<'a>,
    links: &'a Arc<Links<E>>,
    /// Whether there is an outcome: a listener has accepted, or not.
    done: bool,
}

impl<E: Engine + 'static> Drop for Left<'_, E> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let conn = self.links.conn;
        match self.links.end(0) {
            Some(link) => {
                self.faulty.shut(self.links, 0, &link, (self.ending)());
            }
            None => {
                self.faulty.shared().act(|world, actions| world.shut_at_once(conn, 0, Shutdown::Close, actions));
            }
        }
    }
}
