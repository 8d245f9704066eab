// First of the files of a kernel with subgroup operations: directives come before everything else.
enable subgroups;
