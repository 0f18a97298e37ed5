//! Compiles the `.proto` files without `protoc`, writes the descriptor set for reflection and `schakel api descriptors`, and names
//! every method in one enum, so that a table of rules that forgets one does not compile.
//!
//! No message shows its content to `{:?}`: what is printed of one, in a log line, an error or a panic, is its name. So a message that
//! is logged by mistake, whatever it is about, gives nobody away.

use std::fmt::Write as _;
use std::path::PathBuf;

use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo:rerun-if-changed=schakel");
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true);
    for file in proto_files(&root.join("schakel"))? {
        compiler.open_file(file)?;
    }
    let descriptors = compiler.file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    std::fs::write(out.join("methods.rs"), methods(&descriptors))?;
    std::fs::write(out.join("debug.rs"), names_alone(&descriptors))?;
    tonic_prost_build::configure().skip_debug(["."]).compile_fds(descriptors)?;
    Ok(())
}

/// `Debug` for everything that was generated.
fn names_alone(descriptors: &FileDescriptorSet) -> String {
    let mut text = String::new();
    for file in descriptors.file.iter().filter(|file| file.package().starts_with("schakel.")) {
        let place: Vec<String> = file.package().split('.').skip(1).map(module).collect();
        let place = format!("crate::{}", place.join("::"));
        file.enum_type.iter().for_each(|one| enumeration(&mut text, &place, one));
        file.message_type.iter().for_each(|one| message(&mut text, &place, one));
    }
    text
}

/// The name of the message, and of whatever is declared within it.
fn message(text: &mut String, place: &str, message: &DescriptorProto) {
    name_alone(text, &format!("{place}::{}", message.name()), message.name());
    let within = format!("{place}::{}", module(message.name()));
    for one in message.oneof_decl.iter().filter(|one| !one.name().starts_with('_')) {
        let name = one.name().split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<String>();
        name_alone(text, &format!("{within}::{name}"), &format!("{}.{}", message.name(), one.name()));
    }
    message.enum_type.iter().for_each(|one| enumeration(text, &within, one));
    message.nested_type.iter().for_each(|one| self::message(text, &within, one));
}

fn name_alone(text: &mut String, path: &str, name: &str) {
    let _ = write!(
        text,
        "impl ::core::fmt::Debug for {path} {{\n    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{\n        \
         f.write_str(\"{name}(..)\")\n    }}\n}}\n"
    );
}

/// One of a closed list of words says nothing of anybody.
fn enumeration(text: &mut String, place: &str, one: &EnumDescriptorProto) {
    let _ = write!(
        text,
        "impl ::core::fmt::Debug for {place}::{} {{\n    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{\n        \
         f.write_str(self.as_str_name())\n    }}\n}}\n",
        one.name()
    );
}

/// `CreateCaseRequest` is the module `create_case_request`.
fn module(name: &str) -> String {
    if name == "type" {
        return "r#type".to_owned();
    }
    let mut text = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// `schakel.care.v1.CaseService/CreateCase` becomes `Method::CareCreateCase`: request messages are unique in a package, so methods are.
fn methods(descriptors: &FileDescriptorSet) -> String {
    let (mut variants, mut all, mut paths) = (String::new(), String::new(), String::new());
    for file in descriptors.file.iter().filter(|file| file.package().starts_with("schakel.")) {
        let door = file.package().split('.').nth(1).unwrap_or_default();
        let door: String = door[..1].to_uppercase() + &door[1..];
        for service in &file.service {
            for method in &service.method {
                let (variant, path) =
                    (format!("{door}{}", method.name()), format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                let _ = writeln!(variants, "    /// `{path}`\n    {variant},");
                let _ = writeln!(all, "        Method::{variant},");
                let _ = writeln!(paths, "            Method::{variant} => \"{path}\",");
            }
        }
    }
    format!(
        "/// Every method of every service.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]\n\
         pub enum Method {{\n{variants}}}\n\n\
         impl Method {{\n\
         \x20   /// Every method.\n\
         \x20   pub const ALL: &'static [Method] = &[\n{all}    ];\n\n\
         \x20   /// The path of its requests.\n\
         \x20   #[must_use]\n\
         \x20   pub fn path(self) -> &'static str {{\n        match self {{\n{paths}        }}\n    }}\n\
         }}\n"
    )
}

fn proto_files(folder: &std::path::Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
