"""Medical vision-language models: studies and questions in, answers, scores and reports out."""
