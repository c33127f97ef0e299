#ifndef WARREN_CNFTABLES_H
#define WARREN_CNFTABLES_H
#include <nftables/libnftables.h>
#endif
