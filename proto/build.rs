//! Compiles the `.proto` files without `protoc`, writes the descriptor set for reflection and `schakel api descriptors`, and names
//! every method in one enum, so that a table of rules that forgets one does not compile.

use std::fmt::Write as _;
use std::path::PathBuf;

use prost::Message as _;
use prost_types::FileDescriptorSet;

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
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
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
