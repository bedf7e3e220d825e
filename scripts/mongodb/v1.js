// Version 1 of the collection of cache-mongodb, for mongosh:
//   mongosh mongodb://localhost/cache scripts/mongodb/v1.js
// Opening the storage makes the same, unless it is told not to (`create=false`). What is in the
// documents is said in crates/storages/mongodb/src/schema/mod.rs.

db.createCollection("{collection}");

// Entries by tag, in the order of their keys.
db.getCollection("{collection}").createIndex(
  { tags: 1, _id: 1 },
  { name: "tags", partialFilterExpression: { tags: { $gte: "" } } },
);

// Fills that are on their way, for invalidations.
db.getCollection("{collection}").createIndex(
  { "pending.tags": 1 },
  { name: "pending_tags", sparse: true },
);

// Clean-up. To readers, entries end exactly in time without it.
db.getCollection("{collection}").createIndex(
  { clean_at: 1 },
  { name: "clean_at", expireAfterSeconds: 0 },
);

// What was used least recently goes first.
db.getCollection("{collection}").createIndex(
  { used_at: 1, payload_bytes: 1 },
  { name: "used_at" },
);

// Counters, registers, locks and limits, in a collection of their own.
db.createCollection("{collection}.atomics");
db.getCollection("{collection}.atomics").createIndex(
  { clean_at: 1 },
  { name: "clean_at", expireAfterSeconds: 0 },
);
