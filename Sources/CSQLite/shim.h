// SPDX-License-Identifier: Apache-2.0
#ifndef WARREN_CSQLITE_H
#define WARREN_CSQLITE_H
#include <sqlite3.h>
#endif
