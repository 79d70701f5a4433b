//! `crypto.x509`: what a certificate says.

use mlua::{Lua, LuaString, Table, Value};

use super::{Doc, Function};
use crate::value::{Attribute, Certificate};

pub(super) const FUNCTION: Function = Function {
    doc: Doc {
        name: "x509",
        signature: "crypto.x509(der: string) -> { serial: string, not_before: number, not_after: \
                    number, subject: table, issuer: table, dns_names: {string}, emails: \
                    {string}, addresses: {string}, uris: {string} }?",
        text: "What a certificate in DER says, nil when it is none; nothing is verified. \
               `serial` is in decimal, times are seconds since 1970. `subject` and `issuer` have \
               lists of texts: `country`, `province`, `locality`, `organization`, \
               `organizational_unit`, `common_name`, `serial_number` and `domain_component`.",
        example: "local facts = req.tls and crypto.x509(req.tls.certificates[1])",
    },
    make: |lua, _| {
        lua.create_function(|lua, der: LuaString| {
            let der = der.as_bytes();
            Certificate::read(&der).map(|certificate| table(lua, &certificate)).transpose()
        })
        .map(Value::Function)
    },
};

fn table(lua: &Lua, certificate: &Certificate<'_>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("serial", certificate.serial_decimal())?;
    table.raw_set("not_before", certificate.not_before)?;
    table.raw_set("not_after", certificate.not_after)?;
    table.raw_set("subject", name(lua, &certificate.subject)?)?;
    table.raw_set("issuer", name(lua, &certificate.issuer)?)?;
    let names = &certificate.alternative;
    let addresses: Vec<_> = names.addresses.iter().map(ToString::to_string).collect();
    for (key, texts) in [
        ("dns_names", &names.dns),
        ("emails", &names.emails),
        ("addresses", &addresses),
        ("uris", &names.uris),
    ] {
        table.raw_set(key, lua.create_sequence_from(texts.iter().map(String::as_str))?)?;
    }
    Ok(table)
}

/// The attributes that scripts see (RFC 4519), by their object identifiers.
const ATTRIBUTES: [(&str, &[u8]); 8] = [
    ("country", &[0x55, 0x04, 0x06]),
    ("province", &[0x55, 0x04, 0x08]),
    ("locality", &[0x55, 0x04, 0x07]),
    ("organization", &[0x55, 0x04, 0x0a]),
    ("organizational_unit", &[0x55, 0x04, 0x0b]),
    ("common_name", &[0x55, 0x04, 0x03]),
    ("serial_number", &[0x55, 0x04, 0x05]),
    // 0.9.2342.19200300.100.1.25.
    ("domain_component", &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19]),
];

fn name(lua: &Lua, attributes: &[Attribute<'_>]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (key, id) in ATTRIBUTES {
        let texts = attributes.iter().filter(|attribute| attribute.id == id);
        let texts = texts.map(|attribute| attribute.text.as_str());
        table.raw_set(key, lua.create_sequence_from(texts)?)?;
    }
    Ok(table)
}
