"""X.509 as this product uses it: a root, one intermediate a district, devices, servers, revocation lists. No files.

P-256 throughout: every TPM and secure element makes it, and a device's certificate stays near 450 bytes, which a QR
code carries. A private key may be any object with the methods of `ec.EllipticCurvePrivateKey`, so one that never
leaves a chip signs as well as one in a file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pikvani_contract.errors import ContractError

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey
_BACKDATED = timedelta(hours=1)
"""A clock a little behind ours must not find a new certificate too young."""
_CURVE = "secp256r1"
_CLIENT, _SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def new_key() -> Key:
    """A private key, new, in memory."""
    return ec.generate_private_key(ec.SECP256R1())


def common_name(subject: x509.Name) -> str:
    """The one CN of a subject, empty where there is none or several."""
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


def make_root(key: Key, name: str, now: datetime, lifetime: timedelta) -> x509.Certificate:
    """A self-signed root."""
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key(), now, lifetime)
    return _authority(builder, key.public_key(), None).sign(key, hashes.SHA256())


def make_intermediate(
    root: x509.Certificate, root_key: Key, public_key: PublicKey, name: str, now: datetime, lifetime: timedelta
) -> x509.Certificate:
    """An authority that signs devices and nothing else: no further authority, no server."""
    builder = _builder(_name(name), root.subject, public_key, now, lifetime)
    builder = builder.add_extension(x509.ExtendedKeyUsage([_CLIENT]), critical=False)
    builder = builder.add_extension(_issuer_of(root), critical=False)
    return _authority(builder, public_key, 0).sign(root_key, hashes.SHA256())


def make_leaf(
    issuer: x509.Certificate,
    issuer_key: Key,
    public_key: PublicKey,
    name: str,
    now: datetime,
    lifetime: timedelta,
    hosts: Sequence[str] = (),
) -> x509.Certificate:
    """A certificate of a device, of the centre's workers, or, with `hosts`, of a server under these names.

    Args:
        issuer: the authority.
        issuer_key: its key.
        public_key: of whoever the certificate is for.
        name: the CN.
        now: UTC; valid from an hour before.
        lifetime: valid until then, but never longer than the issuer.
        hosts: DNS names and IP addresses of a server.
    """
    builder = _builder(_name(name), issuer.subject, public_key, now, min(lifetime, issuer.not_valid_after_utc - now))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signing=True), critical=True)
    purposes = [_SERVER] if hosts else [_CLIENT]
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    builder = builder.add_extension(_issuer_of(issuer), critical=False)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def make_request(key: Key, name: str) -> bytes:
    """A certificate signing request as DER: the private key stays where it is."""
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(name)).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.DER)


def read_request(der: bytes) -> tuple[str, PublicKey]:
    """Who asks in a certificate signing request, and with which key; the holder has proven to have the private half.

    Raises:
        ContractError: it is no request, its signature is wrong, or its key is not on P-256.
    """
    try:
        request = x509.load_der_x509_csr(der)
        sound = request.is_signature_valid
        key = request.public_key()
    except Exception as error:  # a parser of strangers' bytes: whatever it trips over, these are no request
        raise ContractError(f"not a certificate signing request: {error}") from None
    if not sound:
        raise ContractError("the certificate signing request is not signed by its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE:
        raise ContractError("the certificate signing request does not carry a P-256 key")
    return common_name(request.subject), key


def make_revocations(
    issuer: x509.Certificate,
    issuer_key: Key,
    revoked: Mapping[int, datetime],
    number: int,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateRevocationList:
    """A revocation list.

    Args:
        issuer: whose certificates it is about.
        issuer_key: its key.
        revoked: serial number to UTC time of revocation.
        number: higher than that of any list before.
        now: UTC.
        lifetime: a broker believes it until then, and after that lets nobody in.
    """
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject).last_update(now)
    builder = builder.next_update(now + lifetime).add_extension(x509.CRLNumber(number), critical=False)
    builder = builder.add_extension(_issuer_of(issuer), critical=False)
    for serial, at in sorted(revoked.items()):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer_key, hashes.SHA256())


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` is an authority and signed `certificate`; says nothing of dates."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return constraints.ca


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _BACKDATED,
        not_valid_after=now + lifetime,
    )


def _authority(builder: x509.CertificateBuilder, key: PublicKey, path_length: int | None) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return builder.add_extension(_usage(signing=False), critical=True)


def _issuer_of(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found)


def _usage(signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signing,
        crl_sign=not signing,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
