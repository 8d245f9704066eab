// First of the files of a kernel that computes in half precision: directives come before everything else.
enable f16;
