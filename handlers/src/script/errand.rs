//! A call that begins on the thread that asks for it, because changing threads twice costs more than most calls do.
//!
//! Receives the call's future and the engine's runtime; hands on its output. A call that computes for a tick moves to the
//! engine's threads and goes on there, so that a connection's thread is never held up for longer: its polls are a tick
//! long at most, and together two.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use super::{task::Task, ticker::TICK};

/// Of a type without the engine's in it, which would be looked through wherever a connection is spawned.
type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call under way. Its output is none if it panicked or the engine has ended; dropping it cancels the call.
pub(super) struct Errand<T> {
    place: Place<T>,
    engine: Handle,
    weight: Weight,
}

/// Whether the last call of a script was heavy, which is to compute for more than a tick: then the next ones begin on the engine's
/// threads. A clone is another handle on the same.
#[derive(Clone, Default)]
pub(super) struct Weight(Arc<AtomicBool>);

impl Weight {
    /// What the last call had done.
    pub(super) fn set(&self, heavy: bool) {
        self.0.store(heavy, Relaxed);
    }
}

enum Place<T> {
    /// On the thread that asks, where it has computed for so long.
    Here(Call<T>, Duration),
    /// On the engine's threads.
    Engine(Task<T>),
}

impl<T: Send + 'static> Errand<T> {
    /// A call of a script of this weight.
    pub(super) fn new(
        engine: Handle,
        weight: Weight,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let place = match weight.0.load(Relaxed) {
            true => Place::Engine(Task::spawn(&engine, call)),
            false => Place::Here(Box::pin(call), Duration::ZERO),
        };
        Self { place, engine, weight }
    }

    /// Lets it go on by itself, on the engine's threads.
    pub(super) fn detach(self) {
        match self.place {
            Place::Here(call, _) => Task::spawn(&self.engine, call).detach(),
            Place::Engine(task) => task.detach(),
        }
    }
}

impl<T: Send + 'static> Future for Errand<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if let Place::Here(call, computed) = &mut self.place {
            let begun = Instant::now();
            if let Poll::Ready(output) = call.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            *computed += begun.elapsed();
            if *computed < TICK {
                return Poll::Pending;
            }
            let call = std::mem::replace(call, Box::pin(std::future::pending()));
            // Those that come before this one has ended are likely to be like it.
            self.weight.set(true);
            self.place = Place::Engine(Task::spawn(&self.engine, call));
        }
        match &mut self.place {
            Place::Engine(task) => Pin::new(task).poll(context),
            Place::Here(..) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn engine() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    /// Computes for `ticks` ticks, giving way after each; says where it began and where it ended.
    async fn computes(ticks: u32) -> (ThreadId, ThreadId) {
        let begun = thread::current().id();
        for _ in 0..ticks {
            let tick = Instant::now();
            while tick.elapsed() < TICK {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
        }
        (begun, thread::current().id())
    }

    #[test]
    fn only_what_computes_for_long_changes_threads() {
        let (engine, here) = (engine(), thread::current().id());
        let asking = Builder::new_current_thread().build().unwrap();
        let weight = Weight::default();
        let ran = |ticks| {
            let errand = Errand::new(engine.handle().clone(), weight.clone(), computes(ticks));
            asking.block_on(errand).unwrap()
        };
        assert_eq!(ran(0), (here, here));
        let (begun, ended) = ran(2);
        assert!(begun == here && ended != here);
        let (begun, ended) = ran(0);
        assert!(begun != here && begun == ended, "the last one was heavy");
        weight.set(false);
        assert_eq!(ran(0), (here, here));
    }

    #[test]
    fn what_is_let_go_goes_on_and_what_is_dropped_does_not() {
        let engine = engine();
        let (sender, receiver) = std::sync::mpsc::channel();
        let says = |text: &'static str| {
            let sender = sender.clone();
            async move {
                tokio::task::yield_now().await;
                let _ = sender.send(text);
            }
        };
        drop(Errand::new(engine.handle().clone(), Weight::default(), says("dropped")));
        Errand::new(engine.handle().clone(), Weight::default(), says("let go")).detach();
        assert_eq!(receiver.recv().unwrap(), "let go");
    }
}
