// Linear workgroup number. Grids are spread over x and y because one axis ends at 65,535 groups, and a long
// dispatch is cut into several that start at `groupOffset`. Needs `params.groupOffset`.
fn groupIndex(workgroup: vec3<u32>, groups: vec3<u32>) -> u32 {
  return params.groupOffset + workgroup.y * groups.x + workgroup.x;
}
