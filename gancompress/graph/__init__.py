from gancompress.graph.trace import trace
from gancompress.graph.traced import TracedGenerator, Specialisation
