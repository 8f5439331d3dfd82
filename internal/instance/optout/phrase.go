package optout

// phrases are wishes to get no more messages, as people of one locale word them. All
// are written as tokens gives them: in lower case, without accents, apostrophes and
// punctuation.
//
// They are few on purpose. A phrase must name writing or messages, or be all of a
// message: a wrong guess keeps a guest from being answered, until staff look.
type phrases struct {
	locale string
	// unspaced is for writing without blanks between words: a phrase is found anywhere.
	unspaced bool
	// within may stand anywhere in a sentence.
	within []string
	// whole must be all of the message.
	whole []string
	// unless one of these is in the same sentence, which then says something else:
	// a question why nobody writes, or a wish that it may go on.
	unless []string
}

var firstPhrases = []phrases{
	{
		locale: "en",
		within: []string{
			"stop texting me", "stop messaging me", "stop writing me", "stop writing to me", "stop contacting me",
			"stop sending me messages", "stop sending me texts", "stop sending me text messages", "stop sending me sms", "stop sending me these",
			"stop sending messages", "stop sending texts", "stop sending sms", "stop these messages", "stop these texts", "stop the messages", "stop the texts",
			"stop all messages", "stop all texts",
			"do not text me again", "do not text me anymore", "do not text me any more", "don t text me again", "don t text me anymore", "don t text me any more",
			"do not message me again", "do not message me anymore", "do not message me any more",
			"don t message me again", "don t message me anymore", "don t message me any more",
			"do not contact me again", "do not contact me anymore", "don t contact me again", "don t contact me anymore",
			"do not write to me again", "do not write to me anymore", "don t write to me again", "don t write to me anymore",
			"never text me again", "never message me again", "never contact me again",
			"no more texts please", "no more messages please", "no more text messages please", "no more sms please",
			"please no more texts", "please no more messages", "please no more text messages", "please no more sms",
			"do not want any more messages", "do not want any more texts", "don t want any more messages", "don t want any more texts",
			"do not want to receive messages", "don t want to receive messages", "do not want to receive any more messages", "don t want to receive any more messages",
			"do not wish to receive messages", "do not wish to receive any more messages",
			"unsubscribe me", "opt me out", "i want to unsubscribe", "i d like to unsubscribe", "i want to opt out", "i d like to opt out",
			"take me off your list", "take me off this list", "remove me from your list", "remove me from this list",
			"remove my number from your", "take my number off your list", "delete my number from your list", "lose my number",
		},
		whole: []string{
			"stop please", "please stop", "stop now", "stop texting", "stop messaging", "stop messages", "stop sms", "stop texts",
			"please unsubscribe", "unsubscribe please", "opt out please", "please opt out", "leave me alone", "please leave me alone",
			"no more texts", "no more messages", "remove my number",
		},
		unless: []string{
			"why", "don t stop", "dont stop", "do not stop", "never stop", "not stop", "t stop", "did you stop", "did they stop", "if you stop",
			"t ask", "not ask", "never asked", "t mean", "not mean", "t say", "not say", "never said",
		},
	},
	{
		locale: "de",
		within: []string{
			"bitte keine sms mehr", "bitte keine nachrichten mehr", "bitte keine nachricht mehr", "bitte keine weiteren sms", "bitte keine weiteren nachrichten",
			"keine sms mehr bitte", "keine nachrichten mehr bitte", "keine weiteren sms bitte", "keine weiteren nachrichten bitte",
			"mochte keine sms mehr", "mochte keine nachrichten mehr", "mochte keine weiteren nachrichten", "mochte keine weiteren sms",
			"will keine sms mehr", "will keine nachrichten mehr", "will keine weiteren nachrichten", "wunsche keine nachrichten mehr", "wunsche keine weiteren nachrichten",
			"schicken sie mir keine sms mehr", "schicken sie mir keine nachrichten mehr", "schickt mir keine sms mehr", "schickt mir keine nachrichten mehr",
			"senden sie mir keine sms mehr", "senden sie mir keine nachrichten mehr",
			"schreiben sie mir nicht mehr", "schreibt mir nicht mehr", "schreib mir nicht mehr", "mir bitte nicht mehr schreiben", "mir nicht mehr zu schreiben",
			"kontaktieren sie mich nicht mehr", "kontaktiert mich nicht mehr",
			"horen sie auf mir zu schreiben", "hort auf mir zu schreiben", "hor auf mir zu schreiben",
			"horen sie auf mir nachrichten zu", "hort auf mir nachrichten zu",
			"nehmen sie mich aus dem verteiler", "nehmen sie meine nummer aus", "loschen sie meine nummer", "melden sie mich ab von",
		},
		whole: []string{
			"keine sms mehr", "keine nachrichten mehr", "bitte stopp", "stopp bitte", "bitte stop", "stop bitte", "bitte abmelden", "bitte abbestellen",
			"lassen sie mich in ruhe", "lasst mich in ruhe", "nicht mehr schreiben", "bitte nicht mehr schreiben",
		},
		unless: []string{"warum", "wieso", "weshalb", "wenn", "falls", "horen sie nicht auf", "hort nicht auf"},
	},
	{
		locale: "fr",
		within: []string{
			"ne m ecrivez plus", "ne m ecris plus", "ne me contactez plus", "ne me contacte plus",
			"ne m envoyez plus de sms", "ne m envoyez plus de message", "ne m envoyez plus de messages", "ne m envoyez plus de texto", "ne m envoyez plus de textos",
			"ne m envoyez plus aucun message", "ne m envoyez plus aucun sms",
			"arretez de m ecrire", "arrete de m ecrire", "cessez de m ecrire", "arretez de me contacter", "cessez de me contacter",
			"arretez de m envoyer des sms", "arretez de m envoyer des messages", "arretez de m envoyer des textos",
			"cessez de m envoyer des sms", "cessez de m envoyer des messages", "arretez les sms", "arretez les messages", "arretez vos messages",
			"ne veux plus recevoir de sms", "ne veux plus recevoir de messages", "ne veux plus recevoir vos messages", "ne veux plus de sms", "ne veux plus de messages",
			"ne souhaite plus recevoir de sms", "ne souhaite plus recevoir de messages", "ne souhaite plus recevoir vos messages", "ne souhaite plus etre contacte",
			"plus de sms s il vous plait", "plus de messages s il vous plait", "desabonnez moi", "desinscrivez moi", "retirez moi de votre liste", "supprimez mon numero",
		},
		whole: []string{
			"plus de sms", "plus de messages", "arret s il vous plait", "stop s il vous plait", "stop svp", "stop merci", "arretez", "arretez s il vous plait",
			"desabonnement", "laissez moi tranquille",
		},
		unless: []string{"pourquoi", "vous ne m ecrivez plus", "vous ne me contactez plus", "tu ne m ecris plus", "tu ne me contacte plus", "n arretez pas"},
	},
	{
		locale: "es",
		within: []string{
			"no me escriban mas", "no me escriba mas", "no me escribas mas", "no me escribais mas", "no me contacten mas", "no me contacte mas",
			"no me envien mas mensajes", "no me envie mas mensajes", "no me envien mas sms", "no me manden mas mensajes", "no me mande mas mensajes", "no me manden mas sms",
			"dejen de escribirme", "deje de escribirme", "deja de escribirme", "dejad de escribirme", "dejen de contactarme", "dejen de enviarme mensajes",
			"deje de enviarme mensajes", "dejen de mandarme mensajes", "deje de mandarme mensajes", "dejen de enviarme sms",
			"no quiero recibir mas mensajes", "no quiero recibir mas sms", "no quiero mas mensajes", "no quiero mas sms", "no deseo recibir mas mensajes",
			"no mas mensajes por favor", "no mas sms por favor", "por favor no mas mensajes", "por favor no mas sms",
			"denme de baja", "deme de baja", "dame de baja", "quiero darme de baja", "borren mi numero", "borre mi numero", "eliminen mi numero",
		},
		whole: []string{
			"no mas", "no mas mensajes", "no mas sms", "basta de mensajes", "baja por favor", "stop por favor", "paren por favor", "por favor paren", "dejenme en paz",
		},
		unless: []string{"por que", "no dejen de", "no deje de"},
	},
}
