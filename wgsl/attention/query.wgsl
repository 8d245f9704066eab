// What a thread of attention_flash.wgsl holds for one of its four queries. Needs the override VECTORS and bindings v, y.
// Running maximum and sum of its softmax, and up to 16 outputs.
struct Query {
  highest: f32,
  total: f32,
  o0: vec4<f32>,
  o1: vec4<f32>,
  o2: vec4<f32>,
  o3: vec4<f32>,
}
fn emptyQuery() -> Query {
  let none = vec4<f32>(0.0);
  return Query(HIDDEN, 0.0, none, none, none, none);
}

// Up to four vectors of one value row; surplus ones repeat the last.
struct Values {
  v0: vec4<f32>,
  v1: vec4<f32>,
  v2: vec4<f32>,
  v3: vec4<f32>,
}

fn addValues(own: ptr<function, Query>, p: f32, values: Values) {
  (*own).total += p;
  (*own).o0 += p * values.v0;
  if (VECTORS > 1u) {
    (*own).o1 += p * values.v1;
  }
  if (VECTORS > 2u) {
    (*own).o2 += p * values.v2;
  }
  if (VECTORS > 3u) {
    (*own).o3 += p * values.v3;
  }
}

fn storeQuery(own: Query, query: u32, at: u32, column: u32, end: u32) {
  let outputs = array<vec4<f32>, 4>(own.o0, own.o1, own.o2, own.o3);
  for (var j = 0u; j < VECTORS; j++) {
    let vector = column + 8u * j;
    if (query < params.queries && vector < end) {
      y[at + vector] = outputs[j] / own.total;
    }
  }
}
