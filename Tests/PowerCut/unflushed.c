// SPDX-License-Identifier: Apache-2.0
//
// Preloaded by `Tests/powercut.sh --without-flush`: a disk whose flushes do nothing, by which the test shows that it finds lost writes.

int fsync(int descriptor) { (void)descriptor; return 0; }
int fdatasync(int descriptor) { (void)descriptor; return 0; }
