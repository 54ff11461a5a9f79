//! A body for readers that take whatever there is.
//!
//! The parser of forms asks its stream until that has nothing at the moment, and keeps what it got in memory: how much that
//! is would be up to the client.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt as _};

/// The pieces of a stream, one each time that the reader is polled: whoever asks for another at once is told to wait, and
/// woken.
#[derive(Debug)]
pub(crate) struct Sips<S> {
    stream: S,
    has_given: bool,
}

impl<S> Sips<S> {
    pub(crate) fn of(stream: S) -> Self {
        Self { stream, has_given: false }
    }
}

impl<S: Stream + Unpin> Stream for Sips<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if std::mem::take(&mut self.has_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(self.stream.poll_next_unpin(context));
        self.has_given = piece.is_some();
        Poll::Ready(piece)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};

    use super::*;

    /// How many pieces a reader gets who asks until there is nothing.
    fn greedy(sips: &mut Sips<impl Stream<Item = u8> + Unpin>) -> Vec<u8> {
        std::iter::from_fn(|| sips.next().now_or_never().flatten()).collect()
    }

    #[test]
    fn a_greedy_reader_gets_one_piece_at_a_time() {
        let mut sips = Sips::of(stream::iter([1, 2, 3]));
        let got: Vec<_> = (0..4).map(|_| greedy(&mut sips)).collect();
        assert_eq!(got, [vec![1], vec![2], vec![3], vec![]]);
    }

    #[tokio::test]
    async fn a_patient_reader_gets_everything() {
        let sips = Sips::of(stream::iter([1, 2, 3]));
        assert_eq!(sips.collect::<Vec<_>>().await, [1, 2, 3]);
    }
}
