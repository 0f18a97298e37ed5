//! The language between gateways and towards an organisation's own systems: generated code only. The prose is in README.md.

#![allow(missing_docs, reason = "generated; the documentation stands in the .proto files")]

/// Words shared by the doors.
pub mod r#type {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("schakel.r#type.v1");
    }
}

/// Gateway to gateway.
pub mod federation {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("schakel.federation.v1");
    }
}

/// The encoded `FileDescriptorSet` of every file, with comments: reflection and `schakel api descriptors`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
