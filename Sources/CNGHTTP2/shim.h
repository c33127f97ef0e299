// SPDX-License-Identifier: Apache-2.0
#ifndef WARREN_CNGHTTP2_H
#define WARREN_CNGHTTP2_H
#include <nghttp2/nghttp2.h>
#endif
