// SPDX-License-Identifier: Apache-2.0
#ifndef WARREN_CYAML_H
#define WARREN_CYAML_H
#include <yaml.h>
#endif
