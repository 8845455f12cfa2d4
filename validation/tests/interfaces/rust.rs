//! The public Rust interfaces, read from the sources: every `pub` item without its body and its documentation.
//!
//! `unreachable_pub` is an error in the gate, so what is `pub` can be reached from outside, and what can be reached is
//! `pub`: no compiler is needed to know the interface. An item stands in the module of its file; `pub use` says under
//! which name it is reached. What a macro makes is not seen, but its invocation is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Fields, FieldsNamed, ImplItem, Item, ItemImpl, ItemMod, Meta, TraitItem, Type, Visibility, parse_quote,
};

/// Attributes that say how an item may be used.
const SHOWN_ATTRIBUTES: [&str; 6] = ["cfg", "derive", "must_use", "non_exhaustive", "repr", "deprecated"];

/// The interface of the crate in this folder of the repository.
fn interface(folder: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("src");
    let items = read(&source.join("lib.rs"), &source);
    let mut types = BTreeSet::new();
    collect_types(&items, &mut types);
    prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: public(items, &types) })
}

/// The items of a file, those of its modules in their places.
fn read(file: &Path, folder: &Path) -> Vec<Item> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    parsed.items.into_iter().filter(|item| !is_test(item)).map(|item| with_module(item, folder)).collect()
}

/// A module with the items of its file, if it has one.
fn with_module(item: Item, folder: &Path) -> Item {
    match item {
        Item::Mod(module @ ItemMod { content: None, .. }) => {
            let folder = folder.join(module.ident.to_string());
            let beside: PathBuf = folder.with_extension("rs");
            let items = read(&if beside.is_file() { beside } else { folder.join("mod.rs") }, &folder);
            Item::Mod(ItemMod { content: Some((Default::default(), items)), semi: None, ..module })
        }
        item => item,
    }
}

fn is_test(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(module) => &module.attrs,
        Item::Fn(function) => &function.attrs,
        Item::Impl(block) => &block.attrs,
        Item::Use(import) => &import.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::Path(_) | Meta::NameValue(_) => false,
    })
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The names of all public types and traits.
fn collect_types(items: &[Item], types: &mut BTreeSet<String>) {
    for item in items {
        let (visibility, name) = match item {
            Item::Struct(item) => (&item.vis, &item.ident),
            Item::Enum(item) => (&item.vis, &item.ident),
            Item::Union(item) => (&item.vis, &item.ident),
            Item::Trait(item) => (&item.vis, &item.ident),
            Item::Mod(ItemMod { content: Some((_, items)), .. }) => {
                collect_types(items, types);
                continue;
            }
            _ => continue,
        };
        if is_public(visibility) {
            types.insert(name.to_string());
        }
    }
}

/// What of these items is public, without bodies, in an order that does not depend on theirs.
fn public(items: Vec<Item>, types: &BTreeSet<String>) -> Vec<Item> {
    let mut shown: Vec<Item> = items.into_iter().filter_map(|item| public_item(item, types)).collect();
    shown.sort_by_cached_key(|item| {
        let rank = match item {
            Item::Use(_) => 0,
            Item::Mod(_) => 2,
            _ => 1,
        };
        (rank, prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: vec![item.clone()] }))
    });
    shown
}

fn public_item(mut item: Item, types: &BTreeSet<String>) -> Option<Item> {
    let (visibility, attributes) = match &mut item {
        Item::Const(item) => (&item.vis, &mut item.attrs),
        Item::Enum(item) => {
            for variant in &mut item.variants {
                keep_shown(&mut variant.attrs);
                // The fields of an enum are as public as it is.
                variant.fields.iter_mut().for_each(|field| keep_shown(&mut field.attrs));
            }
            (&item.vis, &mut item.attrs)
        }
        Item::Fn(item) => {
            item.block = parse_quote!({});
            (&item.vis, &mut item.attrs)
        }
        Item::Impl(block) => return public_impl(block, types).then_some(item),
        Item::Mod(module) => {
            keep_shown(&mut module.attrs);
            let (_, items) = module.content.as_mut()?;
            *items = public(std::mem::take(items), types);
            return (!items.is_empty()).then_some(item);
        }
        // Macros are private here; what is made with one on this level may not be.
        Item::Macro(invocation) => return invocation.ident.is_none().then_some(item),
        Item::Static(item) => (&item.vis, &mut item.attrs),
        Item::Struct(item) => {
            public_fields(&mut item.fields);
            (&item.vis, &mut item.attrs)
        }
        Item::Trait(item) => {
            item.items.iter_mut().for_each(trait_item);
            (&item.vis, &mut item.attrs)
        }
        Item::Type(item) => (&item.vis, &mut item.attrs),
        Item::Union(item) => (&item.vis, &mut item.attrs),
        Item::Use(item) => (&item.vis, &mut item.attrs),
        _ => return None,
    };
    keep_shown(attributes);
    is_public(visibility).then_some(item)
}

/// Whether an impl block has anything public: public functions, or a trait for a public type.
fn public_impl(block: &mut ItemImpl, types: &BTreeSet<String>) -> bool {
    keep_shown(&mut block.attrs);
    if block.trait_.is_some() {
        block.items.retain(|item| matches!(item, ImplItem::Type(_)));
        return match &*block.self_ty {
            Type::Path(path) => path.path.segments.last().is_some_and(|last| types.contains(&last.ident.to_string())),
            _ => false,
        };
    }
    block.items.retain_mut(|item| match item {
        ImplItem::Const(item) => {
            keep_shown(&mut item.attrs);
            is_public(&item.vis)
        }
        ImplItem::Fn(item) => {
            keep_shown(&mut item.attrs);
            item.block = parse_quote!({});
            is_public(&item.vis)
        }
        _ => false,
    });
    !block.items.is_empty()
}

fn trait_item(item: &mut TraitItem) {
    match item {
        TraitItem::Fn(item) => {
            keep_shown(&mut item.attrs);
            // A body, though empty, says that implementations need none.
            if item.default.is_some() {
                item.default = Some(parse_quote!({}));
            }
        }
        TraitItem::Const(item) => keep_shown(&mut item.attrs),
        TraitItem::Type(item) => keep_shown(&mut item.attrs),
        _ => {}
    }
}

/// Private fields are left out, but that there are some is not: such a struct cannot be made or taken apart elsewhere.
fn public_fields(fields: &mut Fields) {
    let Fields::Named(named) = fields else {
        fields.iter_mut().for_each(|field| keep_shown(&mut field.attrs));
        return;
    };
    let all = named.named.len();
    let shown = std::mem::take(&mut named.named).into_iter().filter(|field| is_public(&field.vis));
    named.named = shown
        .map(|mut field| {
            keep_shown(&mut field.attrs);
            field
        })
        .collect();
    if named.named.len() < all {
        let private: FieldsNamed = parse_quote!({ private_fields: _ });
        named.named.extend(private.named);
    }
}

fn keep_shown(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| SHOWN_ATTRIBUTES.iter().any(|name| attribute.path().is_ident(name)));
}

#[test]
fn the_kernels_offer_what_they_did() {
    insta::assert_snapshot!(interface("kernels"));
}

#[test]
fn the_operators_offer_what_they_did() {
    insta::assert_snapshot!(interface("core"));
}

#[test]
fn the_harness_offers_what_it_did() {
    insta::assert_snapshot!(interface("validation"));
}
