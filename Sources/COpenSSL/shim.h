// SPDX-License-Identifier: Apache-2.0
// Function-like macros of OpenSSL that Swift can't import, as inline functions. No logic.
#ifndef WARREN_COPENSSL_H
#define WARREN_COPENSSL_H
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <openssl/x509_vfy.h>
#include <stdint.h>
#include <time.h>

// Contexts and sessions.
static inline void copenssl_ctx_set_tls13_only(SSL_CTX *ctx) {
    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
}
static inline long copenssl_ctx_set_mode(SSL_CTX *ctx, long mode) { return SSL_CTX_set_mode(ctx, mode); }
static inline long copenssl_ctx_set_session_cache_mode(SSL_CTX *ctx, long mode) {
    return SSL_CTX_set_session_cache_mode(ctx, mode);
}
static inline long copenssl_ctx_set_max_cert_list(SSL_CTX *ctx, long bytes) { return SSL_CTX_set_max_cert_list(ctx, bytes); }
static inline long copenssl_ctx_set_groups(SSL_CTX *ctx, const char *list) { return SSL_CTX_set1_groups_list(ctx, list); }
static inline long copenssl_ctx_add_chain_certificate(SSL_CTX *ctx, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(ctx, certificate);
}
static inline void copenssl_ctx_set_read_ahead(SSL_CTX *ctx, int on) { SSL_CTX_set_read_ahead(ctx, on); }
static inline void *copenssl_ssl_app_data(const SSL *ssl) { return SSL_get_app_data(ssl); }
static inline int copenssl_ssl_set_app_data(SSL *ssl, void *data) { return SSL_set_app_data(ssl, data); }
static inline long copenssl_ssl_set_host_name(SSL *ssl, const char *name) { return SSL_set_tlsext_host_name(ssl, name); }
static inline long copenssl_ssl_negotiated_group(SSL *ssl) { return SSL_get_negotiated_group(ssl); }
static inline const char *copenssl_ssl_group_name(SSL *ssl, int id) { return SSL_group_to_name(ssl, id); }
// Macros made by SSL_OP_BIT or by casts.
static const uint64_t copenssl_op_no_ticket = SSL_OP_NO_TICKET;
static const uint64_t copenssl_op_no_compression = SSL_OP_NO_COMPRESSION;
static const uint64_t copenssl_op_no_renegotiation = SSL_OP_NO_RENEGOTIATION;
static const uint64_t copenssl_op_cipher_server_preference = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const unsigned long copenssl_name_format = XN_FLAG_RFC2253;

static const int copenssl_bio_retry_flags = BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY;

// Typed stacks.
static inline STACK_OF(GENERAL_NAME) *copenssl_names_new(void) { return sk_GENERAL_NAME_new_null(); }
static inline int copenssl_names_push(STACK_OF(GENERAL_NAME) *names, GENERAL_NAME *name) {
    return sk_GENERAL_NAME_push(names, name);
}
static inline int copenssl_names_count(const STACK_OF(GENERAL_NAME) *names) { return sk_GENERAL_NAME_num(names); }
static inline GENERAL_NAME *copenssl_names_at(const STACK_OF(GENERAL_NAME) *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}
static inline void copenssl_names_free(STACK_OF(GENERAL_NAME) *names) { sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free); }
static inline int copenssl_chain_count(const STACK_OF(X509) *chain) { return sk_X509_num(chain); }
static inline X509 *copenssl_chain_at(const STACK_OF(X509) *chain, int index) { return sk_X509_value(chain, index); }

static inline void copenssl_extensions_free(STACK_OF(X509_EXTENSION) *extensions) {
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

// Keys, extensions, time.
static inline EVP_PKEY *copenssl_generate_p256(void) { return EVP_EC_gen("P-256"); }
static inline EVP_PKEY *copenssl_generate_rsa(unsigned int bits) { return EVP_RSA_gen(bits); }
static inline void copenssl_extension_context(X509V3_CTX *context, X509 *issuer, X509 *subject) {
    X509V3_set_ctx(context, issuer, subject, NULL, NULL, 0);
}
static inline void copenssl_free(void *memory) { OPENSSL_free(memory); }
static inline int64_t copenssl_wall_time(void) { return (int64_t)time(NULL); }
static inline int copenssl_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
static inline int copenssl_error_library(unsigned long code) { return ERR_GET_LIB(code); }
#endif
