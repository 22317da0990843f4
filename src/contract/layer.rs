//! Layers: engines around any engine, for all networks.

use crate::contract::engine::Engine;

/// Something put around the engine of a network, such as a recorder or faults: it sees each call, and passes on, changes
/// or answers it.
///
/// A builder takes layers by its method `layer`, from the innermost to the outermost. Hosts, listeners and connections
/// of such a network are the same types with the layers as a parameter: `pipenet::Conn<(Recorder, Bare)>` has `Recorder`
/// around the engine itself, `pipenet::Conn` is short for `pipenet::Conn<Bare>`.
///
/// A layer passes on every method of the engine that it does not change, those with a default implementation included. If
/// it has links of its own, it makes them of the links within where a connection appears: in [`Engine::dial`], of the near
/// end that it returns and the far end that it hands to the notifier, and by wrapping the notifier in [`Engine::start`].
///
/// The value is the user's handle to the layer. Clone it before it is given to a builder if it is needed later.
///
/// # Examples
///
/// The test `layer` has one that counts calls.
pub trait Layer: Send + Sync + 'static {
    /// The engine that it makes of `E`.
    type Engine<E: Engine + 'static>: Engine<Data = E::Data> + 'static;

    /// Puts it around `inner`.
    fn wrap<E: Engine + 'static>(self, inner: E) -> Self::Engine<E>;
}

/// No layer: the engine itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bare;

impl Layer for Bare {
    type Engine<E: Engine + 'static> = E;

    #[inline]
    fn wrap<E: Engine + 'static>(self, inner: E) -> E {
        inner
    }
}

/// The first around the second.
impl<A: Layer, B: Layer> Layer for (A, B) {
    type Engine<E: Engine + 'static> = A::Engine<B::Engine<E>>;

    #[inline]
    fn wrap<E: Engine + 'static>(self, inner: E) -> Self::Engine<E> {
        self.0.wrap(self.1.wrap(inner))
    }
}
