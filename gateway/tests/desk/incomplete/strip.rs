//! Takes one field out of encoded bytes. The published descriptors say which number a field has, so that a renamed or a new field cannot
//! be missed.

use std::sync::LazyLock;

use prost::Message as _;
use prost::bytes::Buf as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use schakel_proto::Method;

static DESCRIPTORS: LazyLock<FileDescriptorSet> = LazyLock::new(|| FileDescriptorSet::decode(schakel_proto::DESCRIPTORS).unwrap());

/// The full name of a method's request.
pub(crate) fn request_of(method: Method) -> String {
    let (service, name) = method.path()[1..].split_once('/').unwrap();
    let of_file = |file: &prost_types::FileDescriptorProto| {
        let service = file.service.iter().find(|row| format!("{}.{}", file.package(), row.name()) == service)?;
        service.method.iter().find(|row| row.name() == name).map(|row| row.input_type().to_owned())
    };
    DESCRIPTORS.file.iter().find_map(of_file).unwrap()
}

/// The fields of a message by its full name, such as `.schakel.type.v1.Actor`.
pub(crate) fn fields_of(message: &str) -> Vec<FieldDescriptorProto> {
    let of_file = |file: &prost_types::FileDescriptorProto| -> Option<DescriptorProto> {
        let name = message.strip_prefix(&format!(".{}.", file.package()))?;
        file.message_type.iter().find(|row| row.name() == name).cloned()
    };
    DESCRIPTORS.file.iter().find_map(of_file).unwrap().field
}

/// The bytes of a message without the field at this path, such as `actor.person`. Nothing else changes.
pub(crate) fn without(message: &str, bytes: &[u8], path: &str) -> Vec<u8> {
    let (name, below) = path.split_once('.').map_or((path, None), |(name, below)| (name, Some(below)));
    let fields = fields_of(message);
    let field = fields.iter().find(|field| field.name() == name).unwrap_or_else(|| panic!("{message} has no {name}"));
    let number = u32::try_from(field.number()).unwrap();
    let (mut rest, mut kept) = (bytes, Vec::new());
    while rest.has_remaining() {
        let start = rest;
        let (tag, wire) = decode_key(&mut rest).unwrap();
        let value = rest;
        skip_field(wire, tag, &mut rest, DecodeContext::default()).unwrap();
        match below {
            _ if tag != number => kept.extend(&start[..start.len() - rest.len()]),
            None => {}
            Some(below) => {
                let mut part = &value[..value.len() - rest.len()];
                decode_varint(&mut part).unwrap();
                let smaller = without(field.type_name(), part, below);
                encode_key(tag, WireType::LengthDelimited, &mut kept);
                encode_varint(smaller.len() as u64, &mut kept);
                kept.extend(smaller);
            }
        }
    }
    kept
}
