//! Tokens signed here, and those of the specifications.

use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::json;

use super::key::KeyError;
use super::*;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token, signed by a function.
fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs256(secret: &'static str) -> impl Fn(&[u8]) -> Vec<u8> {
    move |signed| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        ring::hmac::sign(&key, signed).as_ref().to_vec()
    }
}

#[test]
fn secrets() {
    let keys = Keys::secret(b"moon");
    let header = json!({"alg": "HS256"});
    let good = token(&header, &json!({"sub": "ann"}), hs256("moon"));
    assert_eq!(keys.verify(good.as_bytes(), &[]).unwrap().claims["sub"], "ann");
    let check = |text: &str, allowed: &[&str], expect: TokenError| {
        let allowed: Vec<_> = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(keys.verify(text.as_bytes(), &allowed), Err(expect), "{text}");
    };
    check(&good, &["RS256"], TokenError::Algorithm);
    check(&token(&header, &json!({}), hs256("sun")), &[], TokenError::Signature);
    let none = token(&json!({"alg": "none"}), &json!({}), |_| Vec::new());
    check(&none, &[], TokenError::Algorithm);
    check(&token(&json!({"alg": "RS256"}), &json!({}), hs256("moon")), &[], TokenError::NoKey);
    let odd = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    check(&token(&odd, &json!({}), hs256("moon")), &[], TokenError::Malformed);
    for broken in ["", "a", "a.b", "a.b.c", "....", "e30.e30.e30.e30", &format!("{good}=")] {
        check(broken, &[], TokenError::Malformed);
    }
    let (head, _) = good.rsplit_once('.').unwrap();
    check(&format!("{head}."), &[], TokenError::Signature);
    check(&format!("{head}.{}", encode([0; 32])), &[], TokenError::Signature);
}

#[test]
fn curves() {
    let random = SystemRandom::new();
    for (name, curve, length, how) in [
        ("ES256", "P-256", 32, &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        ("ES384", "P-384", 48, &ring::signature::ECDSA_P384_SHA384_FIXED_SIGNING),
    ] {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(how, pkcs8.as_ref(), &random).unwrap();
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = (encode(&point[..length]), encode(&point[length..]));
        let key = json!({"kty": "EC", "crv": curve, "x": x, "y": y, "kid": "k1", "use": "sig"});
        let keys = Keys::read(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
        let sign = |signed: &[u8]| pair.sign(&random, signed).unwrap().as_ref().to_vec();
        let good = token(&json!({"alg": name, "kid": "k1"}), &json!({"n": 1}), sign);
        assert_eq!(keys.verify(good.as_bytes(), &[]).unwrap().header["kid"], "k1");
        let other = token(&json!({"alg": name, "kid": "k2"}), &json!({}), sign);
        assert_eq!(keys.verify(other.as_bytes(), &[]), Err(TokenError::NoKey));
        let wrong = good.replace('.', ".A");
        assert!(keys.verify(wrong.as_bytes(), &[]).is_err());
    }
}

#[test]
fn pem_text() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let signer = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pair.serialize_der()).unwrap();
    let good =
        token(&json!({"alg": "EdDSA"}), &json!({}), |signed| signer.sign(signed).as_ref().to_vec());
    let certificate = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&pair).unwrap().pem();
    for text in [pair.public_key_pem(), certificate] {
        let keys = Keys::read(text.as_bytes()).unwrap();
        assert!(keys.verify(good.as_bytes(), &["EdDSA".to_owned()]).is_ok(), "{text}");
    }
    for (text, expect) in [
        ("moon", KeyError::Unreadable),
        ("{}", KeyError::None),
        (r#"{"keys": []}"#, KeyError::None),
        (r#"{"keys": [{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}]}"#, KeyError::None),
        (r#"{"kty": "oct", "k": "AA", "use": "enc"}"#, KeyError::None),
        ("-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----", KeyError::None),
    ] {
        assert_eq!(Keys::read(text.as_bytes()).unwrap_err(), expect, "{text}");
    }
}

/// The example of RFC 7515, section A.2.
#[test]
fn the_rsa_example_of_the_specification() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1\
             Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpa\
             SHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4\
             LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let text = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9le\
                GFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu\
                3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB\
                --f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j\
                zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWk\
                WywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let key = json!({"kty": "RSA", "n": n, "e": "AQAB"});
    let keys = Keys::read(key.to_string().as_bytes()).unwrap();
    assert_eq!(keys.verify(text.as_bytes(), &[]).unwrap().claims["iss"], "joe");
    let ps = Keys::read(
        json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "PS256"}).to_string().as_bytes(),
    );
    assert_eq!(ps.unwrap().verify(text.as_bytes(), &[]), Err(TokenError::NoKey));
}
