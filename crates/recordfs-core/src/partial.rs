//! A field of a few bytes that chunks may cut in two.

/// The first bytes of a field, up to `N` of them.
pub(crate) struct Partial<const N: usize> {
    pub(crate) bytes: [u8; N],
    pub(crate) have: usize,
}

impl<const N: usize> Partial<N> {
    /// No bytes yet.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], have: 0 }
    }

    /// The first bytes that are there, at most `N`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut partial = Self::new();
        partial.take(bytes);
        partial
    }

    /// What is there.
    pub(crate) fn present(&self) -> &[u8] {
        &self.bytes[..self.have]
    }

    /// Takes what is missing, or what there is, from the front of `input`; returns how much.
    pub(crate) fn take(&mut self, input: &[u8]) -> usize {
        self.take_up_to(input, N)
    }

    /// Takes from the front of `input` until `want` bytes are there, at most `N`; returns how many it took.
    pub(crate) fn take_up_to(&mut self, input: &[u8], want: usize) -> usize {
        let count = input.len().min(want - self.have);
        self.bytes[self.have..self.have + count].copy_from_slice(&input[..count]);
        self.have += count;
        count
    }

    /// All `N` bytes, once they are there.
    pub(crate) fn whole(&self) -> Option<[u8; N]> {
        (self.have == N).then_some(self.bytes)
    }
}
