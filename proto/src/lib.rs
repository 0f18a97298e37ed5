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

/// The organisation's own systems and staff.
pub mod care {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("schakel.care.v1");
    }
}

/// Auditors.
pub mod audit {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("schakel.audit.v1");
    }
}

/// Operators.
pub mod admin {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("schakel.admin.v1");
    }
}

include!(concat!(env!("OUT_DIR"), "/methods.rs"));
include!(concat!(env!("OUT_DIR"), "/debug.rs"));

/// The encoded `FileDescriptorSet` of every file, with comments: reflection and `schakel api descriptors`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
