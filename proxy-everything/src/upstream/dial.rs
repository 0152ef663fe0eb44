//! Which of several addresses is connected to. Receives them in the order of preference, hands on the first connection that stands:
//! the families take turns, and who does not answer at once does not hold up the others (RFC 8305, 4 and 5).

use std::{collections::VecDeque, future::Future, io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::sleep;

use crate::error::UpstreamError;

/// How long an address may keep silent before the next is tried beside it.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Begins with the first address, with the next as soon as one has failed or has been silent for a while, and drops the others when
/// one is connected. The caller bounds the whole.
pub(super) async fn first<T, F>(
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, UpstreamError>
where
    F: Future<Output = Result<T, UpstreamError>>,
{
    let mut waiting = in_turns(addresses);
    let mut attempts = FuturesUnordered::new();
    let mut last = UpstreamError::Connect(Arc::new(ErrorKind::AddrNotAvailable.into()));
    loop {
        attempts.extend(waiting.pop_front().map(&connect));
        tokio::select! {
            done = attempts.next() => match done {
                None => return Err(last),
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(UpstreamError::Revoked)) => return Err(UpstreamError::Revoked),
                Some(Err(error)) => last = error,
            },
            () = sleep(ATTEMPT_DELAY), if !waiting.is_empty() => {}
        }
    }
}

/// One of each family after the other, beginning with that of the first; among themselves they stay in their order.
fn in_turns(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let is_first_family =
        |address: &&SocketAddr| addresses.first().is_some_and(|first| first.is_ipv4() == address.is_ipv4());
    let (mut one, mut other): (VecDeque<&SocketAddr>, VecDeque<&SocketAddr>) =
        addresses.iter().partition(is_first_family);
    let mut turns = VecDeque::with_capacity(addresses.len());
    while let Some(address) = one.pop_front() {
        turns.push_back(*address);
        turns.extend(other.pop_front());
    }
    turns.extend(other);
    turns
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Mutex};

    use tokio::time::Instant;

    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 443)).collect()
    }

    #[test]
    fn families_take_turns() {
        for (given, expected) in [
            (&["192.0.2.1"][..], &["192.0.2.1"][..]),
            (&["192.0.2.1", "192.0.2.2", "::1", "::2"], &["192.0.2.1", "::1", "192.0.2.2", "::2"]),
            (&["::1", "::2", "192.0.2.1"], &["::1", "192.0.2.1", "::2"]),
            (
                &["::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"],
                &["::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"],
            ),
            (&[], &[]),
        ] {
            assert_eq!(in_turns(&addresses(given)), addresses(expected), "{given:?}");
        }
    }

    /// How an address of a case behaves.
    #[derive(Clone, Copy)]
    enum Does {
        Answers,
        Refuses,
        NothingAtAll,
        AnswersAfter(u64),
        IsRevoked,
    }

    /// Which address was connected to, or why none; and when each was tried.
    async fn tried(does: &[Does]) -> (Result<usize, &'static str>, Vec<u64>) {
        let began = Instant::now();
        let times = Mutex::new(Vec::new());
        let all: Vec<SocketAddr> = (0..does.len()).map(|n| ([192, 0, 2, n as u8], 443).into()).collect();
        let connect = |address: SocketAddr| {
            times.lock().unwrap().push(u64::try_from(began.elapsed().as_millis()).unwrap());
            let place = all.iter().position(|one| *one == address).unwrap();
            async move {
                match does[place] {
                    Does::Answers => Ok(place),
                    Does::Refuses => {
                        Err(UpstreamError::Connect(Arc::new(ErrorKind::ConnectionRefused.into())))
                    }
                    Does::NothingAtAll => pending().await,
                    Does::AnswersAfter(ms) => {
                        sleep(Duration::from_millis(ms)).await;
                        Ok(place)
                    }
                    Does::IsRevoked => Err(UpstreamError::Revoked),
                }
            }
        };
        let result = first(&all, connect).await.map_err(|error| error.kind());
        (result, times.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_holds_up_the_others() {
        use Does::*;
        for (does, result, times) in [
            (&[Answers, Answers][..], Ok(0), &[0][..]),
            (&[Refuses, Answers], Ok(1), &[0, 0]),
            (&[NothingAtAll, Answers], Ok(1), &[0, 250]),
            (&[NothingAtAll, Refuses, Answers], Ok(2), &[0, 250, 250]),
            (&[AnswersAfter(300), NothingAtAll, Answers], Ok(0), &[0, 250]),
            (&[NothingAtAll, AnswersAfter(400), NothingAtAll], Ok(1), &[0, 250, 500]),
            (&[Refuses, Refuses], Err("upstream_refused"), &[0, 0]),
            (&[Refuses, IsRevoked, Answers], Err("revoked"), &[0, 0]),
            (&[], Err("upstream_refused"), &[]),
        ] {
            assert_eq!(tried(does).await, (result, times.to_vec()));
        }
    }
}
