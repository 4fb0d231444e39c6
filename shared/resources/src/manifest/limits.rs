//! How much text is read.

/// Limits of reading manifests. Every error that meets one names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file. Default 32 MiB.
    pub file_bytes: usize,
    /// Bytes of a document, also after its aliases are replaced. Default 3 MiB.
    pub document_bytes: usize,
    /// Documents of a file. Default 10,000.
    pub documents: usize,
    /// Values of a document after its aliases are replaced. Default 500,000.
    pub values: usize,
    /// Lists and objects inside each other. Default 100.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 32 * 1024 * 1024,
            document_bytes: 3 * 1024 * 1024,
            documents: 10_000,
            values: 500_000,
            depth: 100,
        }
    }
}
