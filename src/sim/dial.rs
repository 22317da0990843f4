//! A dial through faults.
//!
//! 1. The request is on its way to the host that it is for. It may be refused there, or by a link that is cut.
//! 2. The engine within dials. When it hands the far end over, which the request has to arrive for, the notifier of this
//!    module gives both ends to the faults, and passes the far one on.
//!    A host that loses its power forgets the requests that wait there: they are sent again, like any that reach it
//!    then, and arrive when it has its power back.
//! 3. The answer is on its way back, whether it is a connection or a refusal.
//!
//! However a dial ends before its connection exists, nothing of it stays on its way. If a listener has accepted it
//! already, the end of the stream is sent to that.

use alloc::sync::{Arc, Weak};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use crate::addr::Addr;
use crate::contract::any_notifier::AnyNotifier;
use crate::contract::engine::{DelayIo, Engine, Shutdown};
use crate::contract::notifier::Notifier;
use crate::error::cause::Cause;
use crate::sim::direction::{DialRoute, NEVER};
use crate::sim::faulty::{Faulty, FaultyLink};
use crate::sim::letter::Letter;
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
    let began = faulty.shared().step(|_, now, _| now);
    let (dialling, outcome) = loop {
        let dialling = Open::new(faulty, &ending, src, dst, began);
        match dialling.connect(src, dst, data.clone(), notifier).await {
            Ok(near) => break (dialling, Ok(near)),
            Err(Failed::Now(cause)) => return Err(cause),
            // The request has to be sent again.
            Err(Failed::There(_)) if dialling.is_forgotten(dst) => {}
            Err(Failed::There(cause)) => break (dialling, Err(cause)),
        }
    };
    let answer = match dialling.answer.with(Option::take) {
        Some(answer) => answer,
        None => faulty.shared().answer(dialling.dialling.route),
    };
    if let Some(answer) = answer {
        dialling.arrival(&answer.letter).await?;
    }
    outcome.map(|(near, peer)| (near.keep(), peer))
}

/// Why a dial failed.
enum Failed {
    /// It was not on its way, or is not any more.
    Now(Cause),
    /// Where it arrived, so that an answer is sent.
    There(Cause),
}

/// A dial under way, as [`Begun`].
struct Dialling {
    route: DialRoute,
    conn: u64,
    fate: Arc<Letter>,
    request: Option<OnItsWay>,
    refused: Option<Refused>,
    cuts: u64,
}

/// A dial under way, with what it has made so far.
struct Open<'a, E: Engine + 'static> {
    faulty: &'a Faulty<E>,
    ending: &'a Ending<'a>,
    dialling: Dialling,
    /// Its connection, once the engine has made that.
    links: Lock<Option<Arc<Links<E>>>>,
    /// The answer, if that was sent already.
    answer: Arc<Answered>,
}

/// How the near end ends if the dial is dropped.
type Ending<'a> = dyn Fn() -> Shutdown + Sync + 'a;

/// The answer of a dial once it was sent, and is on its way unless it has arrived.
type Answered = Lock<Option<Option<OnItsWay>>>;

impl<'a, E: Engine + 'static> Open<'a, E> {
    fn new(faulty: &'a Faulty<E>, ending: &'a Ending<'a>, src: &Addr, dst: &Addr, began: u64) -> Self {
        let shared = faulty.shared();
        let judged = match shared.judge(&Traffic::Dial { from: src.host(), to: dst.host(), port: dst.port }) {
            Verdict::Pass => (0, None),
            Verdict::Delay(by) => (nanos(by), None),
            Verdict::Hold => (NEVER, None),
            Verdict::Reset => (0, Some(Refused::OnTheWay)),
            Verdict::Refuse => (0, Some(Refused::There)),
        };
        let begun = shared.step(|world, now, _| world.dial(&src.host, &dst.host, judged, (began, now)));
        let Begun { route, conn, fate, request, refused, cuts } = begun;
        let request = request.map(|sent| OnItsWay::new(shared, sent));
        let dialling = Dialling { route, conn, fate, request, refused, cuts };
        Self { faulty, ending, dialling, links: Lock::new(None), answer: Arc::new(Lock::new(None)) }
    }

    async fn connect<N: Notifier<Link = FaultyLink<E>>>(
        &self,
        src: &Addr,
        dst: &Addr,
        data: E::Data,
        notifier: &N,
    ) -> Result<(Near<'a, E>, Addr), Failed> {
        match self.dialling.refused {
            Some(Refused::OnTheWay) => return Err(Failed::There(REFUSED)),
            Some(Refused::There) => {
                self.refusal().await.map_err(Failed::Now)?;
                return Err(Failed::There(REFUSED));
            }
            None => {}
        }
        let far = Far { notifier, open: self };
        let connected = {
            let mut dial = pin!(self.faulty.inner.dial(src, dst, data, &far));
            poll_fn(|cx| match self.dialling.fate.poll(cx) {
                Poll::Ready(outcome) => Poll::Ready(Err(Failed::Now(outcome.err().unwrap_or(REFUSED)))),
                Poll::Pending => dial.as_mut().poll(cx).map_err(Failed::There),
            })
            .await
        };
        let links = self.links.with(|links| links.clone());
        match connected {
            Ok((link, peer)) => {
                // An engine whose peer is elsewhere has not asked the notifier.
                self.request().await.map_err(Failed::Now)?;
                let links = match links {
                    Some(links) => links,
                    None => self.open([Some(link.clone()), None], [true, false]),
                };
                self.faulty.shared().step(|world, _, _| world.accepted(links.conn));
                links.set(0, link.clone());
                let end = Some(FaultyLink { link, links, side: 0 });
                Ok((Near { faulty: self.faulty, ending: self.ending, end }, peer))
            }
            Err(Failed::There(cause)) => match links {
                Some(links) => {
                    self.faulty.shared().step(|world, _, actions| world.forget(links.conn, actions));
                    Err(Failed::There(cause))
                }
                // The engine itself failed, before the dial was on its way.
                None => Err(Failed::Now(cause)),
            },
            Err(failed) => Err(failed),
        }
    }

    /// Whether the host that it is for has lost its power since.
    fn is_forgotten(&self, dst: &Addr) -> bool {
        self.faulty.shared().look(|world| world.cuts(&dst.host)) != self.dialling.cuts
    }

    /// The request arrives, and is refused there: the answer is sent by itself.
    async fn refusal(&self) -> Result<(), Cause> {
        let Some(request) = &self.dialling.request else { return Ok(()) };
        let (shared, route, answer) = (self.faulty.shared().clone(), self.dialling.route, self.answer.clone());
        let (request, sent) = (request.letter.clone(), Arc::new(Letter::new()));
        let done = sent.clone();
        let voyage = Voyage::begin(async move {
            if poll_fn(|cx| request.poll(cx)).await.is_ok() {
                let way = shared.answer(route);
                answer.with(|answer| answer.replace(way));
                done.settle(Ok(()));
            }
        });
        let outcome = self.arrival(&sent).await;
        drop(voyage);
        outcome
    }

    /// The request arrives.
    async fn request(&self) -> Result<(), Cause> {
        match &self.dialling.request {
            Some(request) => self.arrival(&request.letter).await,
            None => Ok(()),
        }
    }

    /// A letter arrives, unless the dial fails before.
    async fn arrival(&self, letter: &Letter) -> Result<(), Cause> {
        poll_fn(|cx| match self.dialling.fate.poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => letter.poll(cx),
        })
        .await
    }

    /// The faults know the connection from now on, of which these ends are of this network.
    fn open(&self, ends: [Option<E::Link>; 2], own: [bool; 2]) -> Arc<Links<E>> {
        let Dialling { conn, route, .. } = self.dialling;
        let links = Arc::new(Links::new(self.faulty.inner.clone(), self.faulty.shared().clone(), conn, ends));
        let weak: Weak<Links<E>> = Arc::downgrade(&links);
        self.faulty.shared().step(|world, _, actions| world.open(conn, weak, route, own, actions));
        self.links.with(|known| known.replace(links.clone()));
        links
    }
}

impl<E: Engine + 'static> Drop for Open<'_, E> {
    fn drop(&mut self) {
        let DialRoute { dirs, dial } = self.dialling.route;
        self.faulty.shared().step(|world, _, actions| world.dialled(dirs[0], dial, actions));
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
        request: &Arc<Letter>,
        notifier: AnyNotifier<FaultyLink<E>>,
    ) -> Result<Addr, Cause> {
        let (faulty, route) = (self.open.faulty, self.open.dialling.route);
        let (far, mut left) = self.ends(link);
        let (src, dst, request) = (*src, *dst, request.clone());
        let outcome = Arc::new((Letter::new(), Lock::new(None)));
        let (shared, answer, sent) = (faulty.shared().clone(), self.open.answer.clone(), outcome.clone());
        let held = Held { engine: faulty.inner.clone(), end: Some(far) };
        let voyage = Voyage::begin(async move {
            // A dial that fails on its way is dropped.
            if poll_fn(|cx| request.poll(cx)).await.is_ok() {
                let far = held.pass();
                let conn = far.links.conn;
                let connected = notifier.connect(&src, &dst, far).await;
                if connected.is_ok() {
                    shared.step(|world, _, _| world.accepted(conn));
                }
                let way = shared.answer(route);
                answer.with(|answer| answer.replace(way));
                sent.1.with(|sent| *sent = Some(connected));
                sent.0.settle(Ok(()));
            }
        });
        poll_fn(|cx| outcome.0.poll(cx)).await?;
        left.done = true;
        drop(voyage);
        outcome.1.with(|connected| *connected).unwrap_or(Err(REFUSED))
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
        let Open { faulty, ending, .. } = *self.open;
        let near = faulty.inner.delay_io().map(|io| io.peer(&link));
        let links = self.open.open([near, Some(link.clone())], [true; 2]);
        let left = Left { faulty, ending, links: links.clone(), done: false };
        (FaultyLink { link, links, side: 1 }, left)
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
        left.settle(accept.is_ok());
        accept
    }

    async fn connect(&self, src: &Addr, dst: &Addr, link: E::Link) -> Result<Addr, Cause> {
        if let (Some(request), Some(notifier)) = (&self.open.dialling.request, self.open.faulty.notifier()) {
            return self.travel(src, dst, link, &request.letter, notifier).await;
        }
        let (far, mut left) = self.far(link).await?;
        let connected = self.notifier.connect(src, dst, far).await;
        left.settle(connected.is_ok());
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
            end.links.shared.step(|world, _, actions| world.forget(end.links.conn, actions));
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
    links: Arc<Links<E>>,
    /// Whether there is an outcome.
    done: bool,
}

impl<E: Engine + 'static> Left<'_, E> {
    /// There is an outcome: a listener has accepted, or not.
    fn settle(&mut self, accepted: bool) {
        self.done = true;
        if accepted {
            self.faulty.shared().step(|world, _, _| world.accepted(self.links.conn));
        }
    }
}

impl<E: Engine + 'static> Drop for Left<'_, E> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let Links { conn, .. } = *self.links;
        match self.links.end(0) {
            Some(link) => {
                self.faulty.shut(&self.links, 0, &link, (self.ending)());
            }
            None => {
                self.faulty.shared().step(|world, _, actions| world.shut_at_once(conn, 0, Shutdown::Close, actions));
            }
        }
    }
}
