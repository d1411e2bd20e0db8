//! Which certificates of the server are trusted: the system's authorities, `ca_file` besides, or every one (`insecure`).

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Site;
use crate::error::{Error, ErrorKind, Result};

/// TLS as this server wants it. The error names `ca_file`.
pub fn client_config(site: &Site) -> Result<ClientConfig> {
    // Named, because a process may have more than one (tests do).
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(ErrorKind::Internal, format!("TLS: {e}")))?;
    if site.insecure {
        tracing::warn!("`insecure` is set: the server's certificate is not checked");
        let verifier = Arc::new(trust_everybody::TrustEverybody);
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &site.ca_file {
        let wrong = |e: &dyn std::fmt::Display| {
            Error::invalid(
                "ca_file",
                format!("{}: {e}; give a PEM file with the authority's certificate", path.display()),
            )
        };
        let certs = CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))?;
        let mut count = 0;
        for cert in certs {
            roots.add(cert.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
            count += 1;
        }
        if count == 0 {
            return Err(wrong(&"no certificate in it"));
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The verifier behind `insecure`.
mod trust_everybody {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    pub(super) struct TrustEverybody;

    impl ServerCertVerifier for TrustEverybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_built_whatever_else_the_process_links() {
        let url = "wss://lk.example.org".into();
        let site = Site { url, ca_file: None, insecure: false };
        assert!(client_config(&site).is_ok());
        assert!(client_config(&Site { insecure: true, ..site.clone() }).is_ok());
        let error = client_config(&Site { ca_file: Some("/nowhere".into()), ..site }).unwrap_err();
        assert_eq!(error.field(), Some("ca_file"));
    }
}
