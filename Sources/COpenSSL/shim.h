// Function-like macros of OpenSSL that Swift can't import, as inline functions. No logic.
#ifndef WARREN_COPENSSL_H
#define WARREN_COPENSSL_H
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <openssl/x509_vfy.h>
#endif
